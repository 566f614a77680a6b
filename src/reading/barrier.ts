/**
 * Counts things that were received and have to come back (plain PUBLISHes, as records) before any message behind them is given to the
 * client.
 */
export interface Barrier {
  /** Whether all have come back. */
  readonly isEmpty: boolean;
  /** How many there have been since the beginning. */
  readonly count: number;
  /** Whether the first `count` have come back. */
  areSettled(count: number): boolean;
}

export const NO_BARRIER: Barrier = { isEmpty: true, count: 0, areSettled: () => true };
