import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import { MemoryStore } from './memory/memory-store.ts';
import { RedisStore } from './redis/redis-store.ts';
import { targetOf } from './redis/target.ts';
import { retentionOf } from './settings.ts';
import type { Store } from './store.ts';

/**
 * Creates the store by the configuration, without starting it. No other code decides by the kind of store.
 *
 * @param privateUrl the URL of a Redis that ends with the gateway, if there is one
 * @param onRoundTrip called with the time of each round trip to a store that is elsewhere (s)
 * @param gateway the name of the gateway that this process is one of several workers of
 */
export function createStore(
  config: Config,
  privateUrl: string | undefined,
  logger: Logger,
  onRoundTrip?: (took: number) => void,
  gateway?: string,
): Store {
  const { redisUrl, namespace, keyPrefix, backlog, maxMessage, maxBuffer, rawChannels, maxStreamsPerUser } = config;
  const { collections } = config;
  const url = targetOf(config) ?? privateUrl;
  if (url === undefined) {
    logger.warn({ event: 'memory_store' }, 'no Redis: messages live in this process only, and are lost when it ends');
    if (config.protocols.includes('sock.it')) {
      logger.warn({ event: 'poll_sessions_off' }, 'no Redis: /sock.it/ is not served; expected REDIS_URL');
    }
    return new MemoryStore({ retention: retentionOf(backlog), maxMessage, collections });
  }
  return new RedisStore({
    url,
    isPrivate: redisUrl === undefined,
    namespace,
    keyPrefix,
    backlog,
    maxMessage,
    maxBuffer,
    maxStreamsPerUser,
    rawChannels,
    collections,
    onRoundTrip,
    gateway,
    hasPolls: config.protocols.includes('sock.it'),
    forwards: config.inboxUrl !== undefined,
    logger: logger.child({ component: 'redis' }),
  });
}
