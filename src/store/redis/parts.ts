import type { Logger } from '../../logger.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';
import type { Standing } from './standing.ts';
import type { RedisTarget } from './target.ts';

/** The objects that the parts of a RedisStore share; each part takes those that it needs. */
export interface Parts {
  /** Where the Redis is. */
  url: RedisTarget;
  keys: Keys;
  names: PlainNames;
  standing: Standing;
  logger: Logger;
}
