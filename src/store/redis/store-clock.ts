import type { Position } from '../../message/position.ts';

/** How many answers are compared: those of about 40 s, in which two clocks drift apart by a millisecond or two. */
const SAMPLES = 60;
/** If an answer differs by more (ms), a clock was set, or another server answers: then only that answer counts. */
const JUMP = 100;
/** Clocks that differ by less (ms) are said to agree: no credential is valid for so short a time that it matters. */
const MOST_AHEAD = 2000;

interface Sample {
  /** By how much the local clock is ahead of the store's (ms). */
  ahead: number;
  /** How long the answer took (ms): `ahead` is wrong by half of it at most. */
  took: number;
}

/**
 * The store's clock, as this process sees it, for figures: the store read its clock somewhere between the question and the answer, so the
 * answer that took least tells most. `ClockOffset` never errs to one side; this one errs least.
 */
export class StoreClock {
  #samples: Sample[] = [];
  #best: Sample | undefined;

  /**
   * @param asked when the store was asked (ms, monotonic clock)
   * @param answered when the answer was handled
   */
  learn(store: Position, asked: number, answered: number): void {
    const took = answered - asked;
    const sample = { ahead: (asked + answered) / 2 - store / 1000, took };
    const best = this.#best;
    // Both may be wrong by half of the time that they took.
    const hasJumped = best && Math.abs(sample.ahead - best.ahead) > JUMP + (best.took + took) / 2;
    if (hasJumped) this.#samples = [];
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
    this.#best = this.#samples.reduce((least, other) => (other.took < least.took ? other : least));
  }

  /**
   * How much the clock of this machine is ahead of the store's (ms); 0 if they agree as far as is known.
   * @param wall the time of this machine (ms since 1970); @param local the same by the monotonic clock
   */
  aheadOfStore(wall: number, local: number): number {
    if (!this.#best) return 0;
    const ahead = wall - (local - this.#best.ahead);
    return Math.abs(ahead) > MOST_AHEAD + this.#best.took / 2 ? ahead : 0;
  }

  /** The time by the local clock (ms) at which the store's clock had this time; `undefined` before the first answer. */
  toLocal(store: Position): number | undefined {
    return this.#best && store / 1000 + this.#best.ahead;
  }
}
