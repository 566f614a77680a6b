import type { Redis } from 'ioredis';
import { runCommand } from '../support/command-line.ts';
import { postPublish } from '../support/publisher.ts';
import { keysOfChannel, keysOfUser } from './footprint.ts';
import type { Kind } from './names.ts';

/** Where a door leads to: the gateway and the Redis behind it. */
export interface Way {
  url: string;
  redis: Redis;
  redisUrl: string;
}

/** A way in for a name. `knock` answers `taken`, or the word of the refusal. */
export interface Door {
  what: string;
  kind: Kind;
  knock(name: string, way: Way): Promise<string>;
  /** The keys that may change if the name is taken. */
  touches(name: string): string[];
  /** Names that cannot even be sent through this door. */
  excludes?: RegExp;
}

const KEY = 'sisyphus:{0}';
const NOTHING = (): string[] => [];
const ROOM = (): string[] => keysOfChannel('room:door');
/** In an argument of a program there is no NUL, and no half of a surrogate pair. */
const NO_ARGUMENT = /[\0\ud800-\udfff]/;

/** `JSON.stringify` writes half of a surrogate pair as an escape, which is how a hostile sender sends it. */
function post(path: string, make: (name: string) => unknown): Door['knock'] {
  return (name, { url }) => answerOf(postPublish(url, JSON.stringify(make(name)), { path }));
}

async function answerOf(asked: Promise<Response>): Promise<string> {
  const response = await asked;
  const body = (await response.json()) as { error?: string };
  return response.ok ? 'taken' : `${body.error}`;
}

function postXml(make: (attribute: string) => string): Door['knock'] {
  const escapes: Record<string, string> = { '<': '&lt;', '&': '&amp;', '"': '&quot;' };
  return (name, { url }) => {
    const attribute = name.replace(/[<&"]/g, (character) => escapes[character]!);
    const type = 'application/xml';
    return answerOf(postPublish(url, `<messages>${make(attribute)}</messages>`, { type }));
  };
}

/** The log-ins at the consoles, by their gateways: only some are looked at within a minute. */
const cookies = new Map<string, Promise<string>>();

export const CONSOLE_SECRET = 'a-secret-of-the-console-alone';

function byConsole(path: string, make: (name: string) => unknown): Door['knock'] {
  return async (name, { url }) => {
    if (!cookies.has(url)) cookies.set(url, logIn(url));
    const headers = { Authorization: '', Cookie: await cookies.get(url)! };
    return answerOf(postPublish(url, JSON.stringify(make(name)), { path: `/console/${path}`, headers }));
  };
}

async function logIn(url: string): Promise<string> {
  const body = JSON.stringify({ secret: CONSOLE_SECRET });
  const { headers } = await postPublish(url, body, { path: '/console/login', headers: { Authorization: '' } });
  return headers.get('Set-Cookie')!.split(';')[0]!;
}

/** Straight to Redis, past all that the gateway checks. */
function call(fn: string, make: (name: string) => string[]): Door['knock'] {
  return (name, { redis }) =>
    redis.call('FCALL', fn, '1', KEY, ...make(name)).then(
      () => 'taken',
      (error: Error) => error.message.split(' ')[0]!,
    );
}

const batch = (channel: string, event: string): string[] => ['', '', '1000', channel, 'x', event];
const change = (user: string, channel: string): string[] => ['', '', '1000', 'grant', user, channel];

function command(make: (name: string) => string[]): Door['knock'] {
  return async (name, { redisUrl }) => {
    const { code, stderr } = await runCommand(make(name), { env: { REDIS_URL: redisUrl } });
    if (/\n\s+at |internal/.test(stderr)) throw new Error(`a stack in ${stderr}`);
    return code === 0 ? 'taken' : code === 2 ? 'usage' : `exit ${code}: ${stderr}`;
  };
}

/** All ways in that change something. A new route gets its line here. */
export const DOORS: Door[] = [
  door(
    'POST /publish',
    'channel',
    post('/publish', (channel) => ({ channel, data: 'x' })),
    keysOfChannel,
  ),
  door(
    'POST /publish, the event',
    'event',
    post('/publish', (event) => ({ channel: 'room:door', data: 'x', event })),
    ROOM,
  ),
  door(
    'a batch of POST /publish',
    'channel',
    post('/publish', (channel) => [{ channel, data: 'x' }]),
    keysOfChannel,
  ),
  door(
    'POST /publish in XML',
    'channel',
    postXml((text) => `<message channel="${text}">x</message>`),
    keysOfChannel,
  ),
  door(
    'POST /publish in XML, the event',
    'event',
    postXml((text) => `<message channel="room:door" event="${text}">x</message>`),
    ROOM,
  ),
  door(
    'POST /publish in lines',
    'channel',
    (channel, { url }) =>
      answerOf(postPublish(url, `${JSON.stringify({ channel, data: 'x' })}\n`, { type: 'application/x-ndjson' })),
    keysOfChannel,
  ),
  door(
    'POST /grant, the user',
    'user',
    post('/grant', (user) => ({ user, channel: 'room:door' })),
    keysOfUser,
  ),
  door(
    'POST /grant, the channel',
    'channel',
    post('/grant', (channel) => ({ user: 'door', channel })),
    () => keysOfUser('door'),
  ),
  door(
    'POST /revoke, the user',
    'user',
    post('/revoke', (user) => ({ user, channel: 'room:door' })),
    keysOfUser,
  ),
  door(
    'POST /revoke, the channel',
    'channel',
    post('/revoke', (channel) => ({ user: 'door', channel })),
    () => keysOfUser('door'),
  ),
  door(
    'POST /console/fcall',
    'channel',
    byConsole('fcall', (channel) => ({ channel, data: 'x' })),
    keysOfChannel,
  ),
  door(
    'POST /console/fcall, the event',
    'event',
    byConsole('fcall', (event) => ({ channel: 'room:door', data: 'x', event })),
    ROOM,
  ),
  door(
    'POST /console/grant, the user',
    'user',
    byConsole('grant', (user) => ({ user, channel: 'room:door' })),
    keysOfUser,
  ),
  door(
    'FCALL sisyphus_publish',
    'channel',
    call('sisyphus_publish', (channel) => [channel, 'x']),
    keysOfChannel,
  ),
  door(
    'FCALL sisyphus_publish, the event',
    'event',
    call('sisyphus_publish', (event) => ['room:door', 'x', event]),
    ROOM,
  ),
  door(
    'FCALL sisyphus_publish_batch',
    'channel',
    call('sisyphus_publish_batch', (name) => batch(name, '')),
    keysOfChannel,
  ),
  door(
    'FCALL sisyphus_publish_batch, the event',
    'event',
    call('sisyphus_publish_batch', (name) => batch('room:door', name)),
    ROOM,
  ),
  door(
    'FCALL sisyphus_change, the user',
    'user',
    call('sisyphus_change', (name) => change(name, 'room:door')),
    keysOfUser,
  ),
  door(
    'FCALL sisyphus_change, the channel',
    'channel',
    call('sisyphus_change', (name) => change('door', name)),
    () => keysOfUser('door'),
  ),
  door(
    'FCALL sisyphus_grant, the user',
    'user',
    call('sisyphus_grant', (user) => [user, 'room:door']),
    keysOfUser,
  ),
  door(
    'FCALL sisyphus_grant, the channel',
    'channel',
    call('sisyphus_grant', (channel) => ['door', channel]),
    () => keysOfUser('door'),
  ),
  door(
    'FCALL sisyphus_revoke, the user',
    'user',
    call('sisyphus_revoke', (user) => [user, 'room:door']),
    keysOfUser,
  ),
  door(
    'FCALL sisyphus_revoke, the channel',
    'channel',
    call('sisyphus_revoke', (channel) => ['door', channel]),
    () => keysOfUser('door'),
  ),
  door(
    'FCALL sisyphus_poll_open, the user',
    'user',
    call('sisyphus_poll_open', (user) => ['door', '0', user, '', '', '', '']),
    () => [`${KEY}:poll:door`],
    // Without a user, a session carries nobody's stream.
    /^$/,
  ),
  door(
    'the command publish',
    'channel',
    command((channel) => ['publish', '--', channel, 'x']),
    keysOfChannel,
    NO_ARGUMENT,
  ),
  door(
    'the command publish, the event',
    'event',
    command((event) => ['publish', `--event=${event}`, 'room:door', 'x']),
    ROOM,
    NO_ARGUMENT,
  ),
  door(
    'the command grant, the user',
    'user',
    command((user) => ['grant', '--', user, 'room:door']),
    keysOfUser,
    NO_ARGUMENT,
  ),
  door(
    'the command revoke, the channel',
    'channel',
    command((channel) => ['revoke', '--', 'door', channel]),
    () => keysOfUser('door'),
    NO_ARGUMENT,
  ),
];

function door(
  what: string,
  kind: Kind,
  knock: Door['knock'],
  touches: Door['touches'] = NOTHING,
  excludes?: RegExp,
): Door {
  return { what, kind, knock, touches, ...(excludes && { excludes }) };
}

/** What a name that is none is answered, whichever door it is sent through. */
export const REFUSALS: Record<Kind, RegExp> = {
  user: /^(?:bad_user|bad_json|BADUSER|usage)$/,
  channel: /^(?:bad_channel|bad_json|bad_xml|bad_request|BADCHANNEL|usage)$/,
  event: /^(?:bad_event|bad_json|bad_xml|BADEVENT|usage)$/,
};
