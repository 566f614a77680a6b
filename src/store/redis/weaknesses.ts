import type { Redis } from 'ioredis';
import { isReply } from './redis-error.ts';

/** A reason why a Redis that works keeps less than it could. */
export interface Weakness {
  /** For the log. */
  event:
    | 'redis_evicts'
    | 'redis_keeps_nothing'
    | 'redis_keeps_snapshots'
    | 'redis_drops_on_reload'
    | 'redis_is_replica';
  /** What the weakness means, and what is expected instead. */
  reason: string;
  policy?: string;
}

/** The weaknesses of this Redis, except those that the user may not ask for. */
export async function weaknessesOf(redis: Redis): Promise<Weakness[]> {
  const [memory, persistence, replication, save, account] = await Promise.all([
    ask(() => redis.info('memory')),
    ask(() => redis.info('persistence')),
    ask(() => redis.info('replication')),
    ask(() => redis.config('GET', 'save') as Promise<string[]>),
    ask(() => redis.call('ACL', 'GETUSER', 'default') as Promise<unknown[]>),
  ]);
  const isAppending = /^aof_enabled:1/m.test(persistence ?? '');
  return [
    ...evictionOf(memory),
    ...persistenceOf(persistence !== undefined && !isAppending, save),
    ...reloadOf(isAppending, account, await isSpared(redis)),
    ...replicaOf(replication),
  ];
}

/** @throws the error, if Redis did not answer; answers `undefined` if it refused */
export async function ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await question();
  } catch (error) {
    if (!isReply(error)) throw error;
    return undefined;
  }
}

function evictionOf(memory: string | undefined): Weakness[] {
  const [, policy = 'noeviction'] = /^maxmemory_policy:(\S+)/m.exec(memory ?? '') ?? [];
  if (policy === 'noeviction' || /^maxmemory:0\b/m.test(memory ?? '')) return [];
  const lost = 'backlogs, rights and the clock go without a word';
  return [
    { event: 'redis_evicts', policy, reason: `Redis evicts keys (${policy}), so that ${lost}: expected noeviction` },
  ];
}

function persistenceOf(isWithoutLog: boolean, save: string[] | undefined): Weakness[] {
  if (!isWithoutLog || save?.[1] === undefined) return [];
  const told = 'and every reader is told so: expected appendonly yes, where messages are to outlive it';
  if (save[1] === '') {
    return [
      { event: 'redis_keeps_nothing', reason: `Redis keeps nothing on disk; a restart loses everything, ${told}` },
    ];
  }
  return [
    {
      event: 'redis_keeps_snapshots',
      reason: `Redis keeps snapshots only; a crash loses what came after the last, ${told}`,
    },
  ];
}

/**
 * Redis before 8.6, and Valkey before 9.1.2, load their append-only file as the user `default`, and drop each transaction with a
 * command that this user may not run; the writes of a function are kept as a transaction (issues redis/redis#14541 and
 * valkey-io/valkey#3983).
 */
function reloadOf(isAppending: boolean, account: unknown[] | undefined, isSafe: boolean): Weakness[] {
  if (!isAppending || isSafe || account === undefined) return [];
  const value = (name: string): string => String(account[account.indexOf(name) + 1] ?? '');
  const isWhole = value('commands') === '+@all' && /~\*/.test(value('keys')) && /&\*/.test(value('channels'));
  if (isWhole) return [];
  const right = 'expected "user default off ~* &* +@all", which is switched off and may be loaded as';
  return [{ event: 'redis_drops_on_reload', reason: `a restart of Redis drops what functions wrote: ${right}` }];
}

function replicaOf(replication: string | undefined): Weakness[] {
  const takesWrites = /^role:slave/m.test(replication ?? '') && /^slave_read_only:0/m.test(replication ?? '');
  if (!takesWrites) return [];
  return [
    {
      event: 'redis_is_replica',
      reason: 'Redis is a replica that takes writes and loses them again: expected a master',
    },
  ];
}

/**
 * Whether the server loads its append-only file whatever `default` may do. Seen with Valkey 9.1.2; Redis 8.2.3 does not yet, and the
 * mend came into its source after 8.4. Where the version is not known, it does not.
 */
async function isSpared(redis: Redis): Promise<boolean> {
  const info = (await ask(() => redis.info('server'))) ?? '';
  // Valkey also says which Redis it is compatible with, as `redis_version`.
  const [, valkey] = /^valkey_version:(\S+)/m.exec(info) ?? [];
  const [, version = '0'] = /^redis_version:(\S+)/m.exec(info) ?? [];
  return valkey === undefined ? isAtLeast(version, [8, 6, 0]) : isAtLeast(valkey, [9, 1, 2]);
}

function isAtLeast(version: string, least: number[]): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const at = least.findIndex((number, i) => (parts[i] ?? 0) !== number);
  return at < 0 || (parts[at] ?? 0) > least[at]!;
}
