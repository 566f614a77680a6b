import type { Logger } from '../../logger.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';
import type { Standing } from './standing.ts';

/** What the parts of a store in Redis share; each asks for what it needs of it. */
export interface Parts {
  /** The address of the Redis. */
  url: string;
  keys: Keys;
  names: PlainNames;
  standing: Standing;
  logger: Logger;
}
