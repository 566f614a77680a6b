import { isAfter, later, laterOf, type Position } from '../../message/position.ts';

/** Redis's clock and this machine's may differ: by this part of the time that has passed, and by so much besides (ms). */
const DRIFT = 0.01;
const SLACK = 5;

/**
 * Tells which ids the store may have assigned by now: none is later than the later of its clock and its last id when it was last
 * asked, plus the time since then. Without this check, a client that may PUBLISH on a topic could move a stream's position so
 * far ahead that no message reaches it.
 */
export class PlausibleIds {
  #latest: Position | undefined;
  #asked = 0;

  /** Takes the answer of a mark, and when it was requested (ms of `performance.now`): its `now` is not earlier than that. */
  learn(last: Position, now: Position, asked: number): void {
    this.#latest = laterOf(last, now);
    this.#asked = asked;
  }

  /** Whether the id is plausible; every id is, until a mark has been answered. */
  has(id: Position): boolean {
    if (this.#latest === undefined) return true;
    const passed = performance.now() - this.#asked;
    return !isAfter(id, later(this.#latest, passed * (1 + DRIFT) + SLACK));
  }
}
