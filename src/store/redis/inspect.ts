import { once } from 'node:events';
import type { Trouble } from '../../hub/trouble.ts';
import { COMMAND } from '../../patience.ts';
import { closeConnection, openConnection, userOf } from './connection.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';
import { probe } from './probe.ts';
import { explain, isReply } from './redis-error.ts';
import type { RedisTarget } from './target.ts';
import { type Weakness, weaknessesOf } from './weaknesses.ts';

/** The problems that a gateway would find at this Redis. */
export interface Inspection {
  /** `lasting`: problems that an operator has to fix; `state`: why Redis takes no writes at the moment. */
  lasting: Trouble[];
  state: Trouble[];
  weaknesses: Weakness[];
}

/**
 * Tries everything that a gateway needs, as its own user, on a connection of its own; changes nothing.
 * @throws Error with the explained reply of Redis, or if Redis cannot be reached within 2 s
 */
export async function inspectRedis(target: RedisTarget, keys: Keys, names: PlainNames): Promise<Inspection> {
  const redis = openConnection(target, 'probe');
  try {
    await once(redis, 'ready', { signal: AbortSignal.timeout(COMMAND) });
    const probed = await probe(redis, { user: userOf(target), keys, names });
    return { ...probed, weaknesses: await weaknessesOf(redis) };
  } catch (error) {
    if (isReply(error)) throw new Error(explain(error).reason, { cause: error });
    const isLate = (error as Error).name === 'AbortError';
    throw isLate ? new Error(`no answer within ${COMMAND / 1000} s`, { cause: error }) : error;
  } finally {
    await closeConnection(redis);
  }
}
