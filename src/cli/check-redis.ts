import type { Config } from '../config/config.ts';
import { parseRedisUrl } from '../config/redis-url.ts';
import { inspectRedis } from '../store/redis/inspect.ts';
import { Keys } from '../store/redis/keys.ts';
import { PlainNames } from '../store/redis/plain-names.ts';
import { targetOf } from '../store/redis/target.ts';
import { EXIT, type Sink } from './command.ts';
import { reasonOf } from './reason.ts';

/** Prints what a gateway would find at its Redis. The exit code is 1 if the gateway could not serve readers, or not publish. */
export async function checkRedis(config: Config, stdout: Sink): Promise<number> {
  const { redisUrl, rawChannels, namespace, keyPrefix } = config;
  const say = (kind: string, text: string): void => void stdout.write(`redis ${kind.padEnd(24)} ${text}\n`);
  if (redisUrl === undefined) {
    say('none', 'without REDIS_URL there is nothing to try');
    return EXIT.ok;
  }
  try {
    const keys = new Keys(namespace, parseRedisUrl(redisUrl).database);
    const target = targetOf(config) ?? redisUrl;
    const { lasting, state, weaknesses } = await inspectRedis(target, keys, new PlainNames(rawChannels, keyPrefix));
    for (const { stops, reason } of [...lasting, ...state]) say(`stops ${stops}`, reason);
    for (const { reason } of weaknesses) say('weakens', reason);
    const fails = lasting.length + state.length > 0;
    if (!fails) say('allows', 'everything that a gateway needs');
    return fails ? EXIT.failed : EXIT.ok;
  } catch (error) {
    say('stops all', `Redis cannot be used: ${reasonOf(error)}`);
    return EXIT.failed;
  }
}
