import { type ErrorCode, SisyphusError } from '../errors.ts';

const CHANNEL = /^[A-Za-z0-9_.:-]{1,128}$/;
const USER = /^[A-Za-z0-9_.@+|-]{1,128}$/;
const EVENT = /^[A-Za-z0-9_.:-]{1,128}$/;
const OWN_PREFIX = 'sisyphus:';
/** The gateway itself sends `reset` and `denied` events; `open`, `error` and `message` have another meaning in an EventSource. */
const RESERVED_EVENTS = new Set(['reset', 'denied', 'open', 'error', 'message']);

/** Also true for a user's own channel, whose user id may hold `@`, `+` and `|`, and be as long as a whole channel name may be. */
export function isChannel(name: string): boolean {
  if (CHANNEL.test(name)) return !name.startsWith(OWN_PREFIX);
  return userOfChannel(name) !== undefined;
}

export function isUser(id: string): boolean {
  return USER.test(id);
}

/** @throws SisyphusError `bad_channel` */
export function requireChannel(name: unknown): string {
  if (typeof name === 'string' && isChannel(name)) return name;
  requireText('channel', name, 'bad_channel', '"room:918"');
  throw new SisyphusError(
    'bad_channel',
    `channel ${quote(name)}: expected 1 to 128 of A-Z a-z 0-9 _ . : -, such as room:918; names under sisyphus: are the gateway's own`,
  );
}

/** @throws SisyphusError `bad_user` */
export function requireUser(id: unknown): string {
  if (typeof id === 'string' && isUser(id)) return id;
  requireText('user', id, 'bad_user', '"7"');
  throw new SisyphusError('bad_user', `user ${quote(id)}: expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7`);
}

/** @throws SisyphusError `bad_event` */
export function requireEvent(name: unknown): string {
  if (typeof name === 'string' && EVENT.test(name) && !RESERVED_EVENTS.has(name)) return name;
  requireText('event', name, 'bad_event', '"moved"');
  throw new SisyphusError(
    'bad_event',
    `event ${quote(name)}: expected 1 to 128 of A-Z a-z 0-9 _ . : -, and not one of ${[...RESERVED_EVENTS].join(', ')}`,
  );
}

/** The channel for one user's rights and personal messages. */
export function channelOfUser(user: string): string {
  return `user:${user}`;
}

/** The user of a user's own channel (`user:7`); `undefined` for any other (`user:7:channels`). */
export function userOfChannel(channel: string): string | undefined {
  if (!channel.startsWith('user:')) return undefined;
  const user = channel.slice(5);
  return isUser(user) ? user : undefined;
}

/** @throws SisyphusError with `code`, which names the type, if the value is there and is no string */
function requireText(what: string, value: unknown, code: ErrorCode, example: string): void {
  if (value === undefined || typeof value === 'string') return;
  const type =
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'an array'
        : `${/^[ao]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`;
  throw new SisyphusError(code, `${what} ${quote(value)} is ${type}: expected a string, such as ${example}`);
}

function quote(value: unknown): string {
  if (value === undefined) return 'is missing';
  const text = typeof value === 'string' ? value : (jsonOf(value) ?? String(value));
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

/** The JSON of a value, for a message. `JSON.parse` reads what is nested deeper than `JSON.stringify` can write. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return Array.isArray(value) ? '[[…' : '{{…';
  }
}
