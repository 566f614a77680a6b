import type { Position } from '../../message/position.ts';

/** How many answers are compared: those of the last few seconds, in which two clocks drift apart by less than a millisecond. */
const SAMPLES = 5;
/** If an answer differs by more (ms), a clock was set, or another server answers: then only that answer counts. */
const JUMP = 100;

/**
 * How much the monotonic clock of this process is ahead of the store's clock. An answer with the store's time was on its way for a while, so
 * each one only says how much it is at most; the answer that was fastest says it best.
 */
export class ClockOffset {
  #samples: number[] = [];

  /** @param local when the answer was handled (ms), or later */
  learn(store: Position, local: number): void {
    const sample = local - store / 1000;
    if (Math.abs(sample - (this.#samples.at(-1) ?? sample)) > JUMP) this.#samples = [];
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
  }

  /** The time by the local clock (ms) at which the store's clock had this time, or a moment later. */
  toLocal(store: Position): number {
    return store / 1000 + Math.min(...this.#samples);
  }
}
