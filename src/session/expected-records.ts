import { isPlain, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';

/**
 * The plain PUBLISHes on the user's own channel whose records have not been received yet. Rights may change with each of them, so
 * messages received after one are delivered only when its record has been received.
 */
export class ExpectedRecords {
  #waiting: { payload: Buffer; heardAt: Position }[] = [];
  /** How many are no longer waited for: their record was received, or is given up. */
  #settled = 0;
  /** When the first one began to be waited for, or a record was last received (ms). */
  #since = 0;

  /** How many have been added so far. */
  get count(): number {
    return this.#settled + this.#waiting.length;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether the first `count` of them are no longer waited for. */
  areSettled(count: number): boolean {
    return count <= this.#settled;
  }

  /** `heardAt`: the last id received before the plain PUBLISH. `now`: in ms. */
  add(payload: Buffer, heardAt: Position, now: number): void {
    if (this.#waiting.push({ payload, heardAt }) === 1) this.#since = now;
  }

  /** Called with each message on the user's channel. If it is the record of one of these, that one and all before it are settled. */
  confirm(message: Message, now: number): void {
    if (!isPlain(message)) return;
    const at = this.#waiting.findIndex(
      ({ payload, heardAt }) =>
        !isAfter(heardAt, message.place.id) && (message.oversize || payload.equals(message.payload)),
    );
    if (at >= 0) this.#settle(at + 1, now);
  }

  /** Stops waiting for all of them. Returns whether there were any. */
  giveUp(now: number): boolean {
    const were = !this.isEmpty;
    this.#settle(this.#waiting.length, now);
    return were;
  }

  /** Whether no record has been received for `patience` (ms) although at least one is waited for. */
  isOverdue(patience: number, now: number): boolean {
    return !this.isEmpty && now - this.#since >= patience;
  }

  #settle(count: number, now: number): void {
    this.#waiting.splice(0, count);
    this.#settled += count;
    this.#since = now;
  }
}
