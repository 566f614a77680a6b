/**
 * What a worker says about limits to the primary. Messages between two processes arrive in the order in which they were sent; the
 * numbers of questions (`id`) are the worker's own.
 */
export type ToPrimary =
  /** The worker will count under this name. It comes before all others of the name. `within`: seconds, for a rate. */
  | { do: 'define'; name: string; most: number; within?: number }
  /** Asks whether there may be one more under the key. */
  | { do: 'ask'; name: string; key: string; id: number }
  | { do: 'release'; name: string; key: string }
  /** The answer to `count`: how many the worker has under the key. */
  | { do: 'held'; name: string; key: string; used: number }
  /** Asks how often it may happen in what is left of the present period. */
  | { do: 'take'; name: string; key: string; id: number };

/** What the primary says about limits to a worker. */
export type ToWorkerOfLimits =
  /** The worker may have a share of each key, one of so many, without asking. */
  | { do: 'share'; name: string; parts: number }
  /** From now on the worker asks for each one of the key, tells of each that ends, and answers `held`. */
  | { do: 'count'; name: string; key: string }
  /** From now on the worker has its share of the key again, without asking. */
  | { do: 'uncount'; name: string; key: string }
  /** If `ask` is answered with no, the worker asks no more for this key until there is room. */
  | { do: 'answer'; name: string; key: string; id: number; granted: boolean }
  | { do: 'room'; name: string; key: string }
  /** The answer: how many more may happen, and for how long that counts (ms). None: the limit is reached. */
  | { do: 'taken'; name: string; key: string; id: number; granted: number; left: number };
