import { SisyphusError } from '../errors.ts';

const CHANNEL = /^[A-Za-z0-9_.:-]{1,128}$/;
const USER = /^[A-Za-z0-9_.@+|-]{1,128}$/;
const EVENT = /^[A-Za-z0-9_.:-]{1,128}$/;
const OWN_PREFIX = 'sisyphus:';
/** `reset` is the gateway's own word; `open`, `error` and `message` mean something else to an EventSource. */
const RESERVED_EVENTS = new Set(['reset', 'open', 'error', 'message']);

/** A user's own channel counts too: user ids may hold `@`, `+` and `|`, and be as long as a channel name alone may be. */
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
  throw new SisyphusError(
    'bad_channel',
    `channel ${quote(name)}: 1 to 128 of A-Z a-z 0-9 _ . : - are right, such as room:918; names under sisyphus: are the gateway's own`,
  );
}

/** @throws SisyphusError `bad_user` */
export function requireUser(id: unknown): string {
  if (typeof id === 'string' && isUser(id)) return id;
  throw new SisyphusError('bad_user', `user ${quote(id)}: 1 to 128 of A-Z a-z 0-9 _ . @ + | - are right, such as 7`);
}

/** @throws SisyphusError `bad_event` */
export function requireEvent(name: unknown): string {
  if (typeof name === 'string' && EVENT.test(name) && !RESERVED_EVENTS.has(name)) return name;
  throw new SisyphusError(
    'bad_event',
    `event ${quote(name)}: 1 to 128 of A-Z a-z 0-9 _ . : - are right, and not one of ${[...RESERVED_EVENTS].join(', ')}`,
  );
}

/** The channel that carries what concerns one user: rights and personal messages. */
export function channelOfUser(user: string): string {
  return `user:${user}`;
}

/** The user whose own channel this is, if it is one (`user:7`, not `user:7:channels`). */
export function userOfChannel(channel: string): string | undefined {
  if (!channel.startsWith('user:')) return undefined;
  const user = channel.slice(5);
  return isUser(user) ? user : undefined;
}

function quote(value: unknown): string {
  if (value === undefined) return 'is missing';
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
