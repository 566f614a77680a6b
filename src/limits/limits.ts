/** Counts how many there are at a time under each key, and lets there be no more than a limit. */
export interface Count {
  /** Counts one more under the key if there may be one more. @returns whether it is counted */
  acquire(key: string): boolean | Promise<boolean>;
  /** Ends one that was counted. */
  release(key: string): void;
  /** Whether this process knows, without asking, that there may be no more under the key. */
  isFull(key: string): boolean;
}

/** Limits how often something may happen under each key within a time. */
export interface RateLimit {
  /** Counts one more, if there may be one more. @returns 0, or how long there may be none (ms) */
  take(key: string): Promise<number>;
  /** Counts nothing. @returns how long there may be none (ms); 0 if there may be one */
  wait(key: string): Promise<number>;
  /** Whether the key is counted at present. */
  has(key: string): Promise<boolean>;
}

/** Where the limits are counted that hold for a whole gateway: in its only process, or over all of its workers. */
export interface Limits {
  /** @param name tells this limit from others. Call this once for each name */
  count(name: string, most: number): Count;
  /** @param within in seconds */
  rate(name: string, most: number, within: number): RateLimit;
}

/** The key of a limit that counts all together. */
export const ALL = 'all';
