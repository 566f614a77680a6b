import { isAfter, later, laterOf, type Position } from '../../message/position.ts';

/** Redis's clock and this machine's need not go alike: so much of what has passed, and so much besides (ms). */
const DRIFT = 0.01;
const SLACK = 5;

/**
 * Which ids the store may have given out by now: none that is later than both its clock and its last id were when it was asked,
 * and what has passed since then. Whoever may PUBLISH on a topic could else take a stream's position to where no message
 * ever reaches it.
 */
export class PlausibleIds {
  #latest: Position | undefined;
  #asked = 0;

  /** What a mark answered, and when it was asked for (ms of `performance.now`): its `now` is not earlier than that. */
  learn(last: Position, now: Position, asked: number): void {
    this.#latest = laterOf(last, now);
    this.#asked = asked;
  }

  /** Where nothing is known, everything is. */
  has(id: Position): boolean {
    if (this.#latest === undefined) return true;
    const passed = performance.now() - this.#asked;
    return !isAfter(id, later(this.#latest, passed * (1 + DRIFT) + SLACK));
  }
}
