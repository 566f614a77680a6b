import type { Redis } from 'ioredis';
import { contents, everyKey } from '../support/keys.ts';

/**
 * Keys that change while nothing happens: gateways renew their leases in them, count their streams, and look at the list of the witness now and then. The keys
 * `retry:` are the answers that a publisher remembers for one that was lost.
 */
const RESTLESS =
  /^sisyphus:\{0\}:(?:(?:clock|recorder|standbys|gateways|settings|reports)$|streams(?:$|:)|user:witness:|idempotency:retry:[0-9a-f-]{36}$)/;

/** The keys that one publish on this channel may touch. */
export function keysOfChannel(channel: string): string[] {
  const own = ['msg_id', 'msg_last', 'msg_backlog'].map((part) => `sisyphus:{0}:channel:${channel}:${part}`);
  return channel.startsWith('user:') ? [...own, ...marksOf(channel.slice(5))] : own;
}

/** The keys that a change of a user's rights may touch. */
export function keysOfUser(user: string): string[] {
  return [`user:${user}:channels`, ...keysOfChannel(`user:${user}`)];
}

function marksOf(user: string): string[] {
  return ['rights', 'changes'].map((part) => `sisyphus:{0}:user:${user}:${part}`);
}

/** The names of all keys that `act` has made, changed or deleted, but for the restless ones. */
export async function touchedBy(redis: Redis, act: () => Promise<void>): Promise<string[]> {
  const before = contents(await everyKey(redis));
  await act();
  const after = contents(await everyKey(redis));
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((key) => before[key] !== after[key] && !RESTLESS.test(key)).sort();
}
