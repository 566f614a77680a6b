import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { RECONNECTING } from '../../patience.ts';
import { rethrow, toSisyphusError } from './redis-error.ts';

/** By connection: all callers that wait until it is ready share one promise. */
const becomingReady = new WeakMap<Redis, Promise<boolean>>();

/**
 * Calls `ask`, and once more if the answer was lost with its connection. For reads, and for writes with an idempotency key: it
 * is safe to repeat them.
 * @throws SisyphusError
 */
export async function askTwice<Answer>(redis: Redis, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    const reason = toSisyphusError(error);
    if (reason.code !== 'redis_unavailable' || !(await becomesReady(redis))) throw reason;
    return ask().catch(rethrow);
  }
}

/** Whether the connection is ready within `RECONNECTING`. */
function becomesReady(redis: Redis): Promise<boolean> {
  if (redis.status === 'ready') return Promise.resolve(true);
  let ready = becomingReady.get(redis);
  if (!ready) {
    ready = once(redis, 'ready', { signal: AbortSignal.timeout(RECONNECTING) })
      .then(
        () => true,
        () => false,
      )
      .finally(() => becomingReady.delete(redis));
    becomingReady.set(redis, ready);
  }
  return ready;
}
