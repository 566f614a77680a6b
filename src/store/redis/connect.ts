import type { Redis } from 'ioredis';
import type { Publisher } from '../../backlog/backlog.ts';
import type { Collections } from '../../collection/collections.ts';
import { parseRedisUrl } from '../../config/redis-url.ts';
import { SisyphusError } from '../../errors.ts';
import type { Tokens } from '../../message/token.ts';
import { COMMAND, within } from '../../patience.ts';
import { closeConnection, openConnection } from './connection.ts';
import { loadFunctions, readVersion } from './functions.ts';
import { Keys } from './keys.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisCollections } from './redis-collections.ts';
import { explain, isReply, rethrow } from './redis-error.ts';
import { RedisTokens } from './redis-tokens.ts';
import { type RedisTarget, urlOf } from './target.ts';

/**
 * A publisher for the command line: one connection, no hub.
 * @throws SisyphusError `redis_unavailable` if there is no connection within 2 s
 */
export async function connectPublisher(
  target: RedisTarget,
  namespace: string | undefined,
): Promise<{ publisher: Publisher; collections: Collections; tokens: Tokens; close(): Promise<void> }> {
  const { redis, keys, close } = await connectCommand(target, namespace);
  const connections = { commands: redis, replays: redis, keys };
  // Only readers use the ttl.
  const publisher = new RedisBacklog({ ...connections, ttl: () => Number.POSITIVE_INFINITY });
  return { publisher, collections: new RedisCollections(connections), tokens: new RedisTokens(connections), close };
}

/**
 * One connection for a command.
 * @throws SisyphusError `redis_unavailable` if there is none within 2 s; `redis_refused` if Redis answers and lets nobody in
 */
export async function connectCommand(
  target: RedisTarget,
  namespace: string | undefined,
): Promise<{ redis: Redis; keys: Keys; close(): Promise<void> }> {
  const redis = openConnection(target, 'cli');
  const close = (): Promise<void> => closeConnection(redis);
  const problems: Error[] = [];
  redis.on('error', (error: Error) => {
    problems.push(error);
  });
  if (!(await within(COMMAND, new Promise((resolve) => redis.once('ready', resolve))))) {
    await close();
    const problem = problems.at(-1);
    const reason = problem?.message ?? 'no answer';
    if (isReply(problem)) throw new SisyphusError('redis_refused', explain(problem).reason, { cause: problem });
    throw new SisyphusError('redis_unavailable', `cannot reach Redis within ${COMMAND / 1000} s (${reason})`);
  }
  return { redis, keys: new Keys(namespace, parseRedisUrl(urlOf(target)).database), close };
}

/** Loads the functions, unless Redis has them in this version or a later one. @returns their version before and now */
export async function ensureFunctions(
  target: RedisTarget,
  namespace: string | undefined,
): Promise<{ before: number; now: number }> {
  const { redis, keys, close } = await connectCommand(target, namespace);
  try {
    const before = await readVersion(redis, keys);
    await loadFunctions(redis, keys);
    return { before, now: await readVersion(redis, keys) };
  } catch (error) {
    return rethrow(error);
  } finally {
    await close();
  }
}
