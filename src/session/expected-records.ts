import { isPlain, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';

/**
 * Plain PUBLISHes on the user's own channel that were heard, and have not come back recorded: rights may change with each of them.
 * What was heard behind one of them is given when its record has been heard.
 */
export class ExpectedRecords {
  #waiting: { payload: Buffer; heardAt: Position }[] = [];
  /** How many have come back, or never will. */
  #settled = 0;
  #since = 0;

  /** How many there have been. */
  get count(): number {
    return this.#settled + this.#waiting.length;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether the first so many have come back. */
  areSettled(count: number): boolean {
    return count <= this.#settled;
  }

  /** `heardAt`: the last id that was heard before it. */
  add(payload: Buffer, heardAt: Position, now: number): void {
    if (this.#waiting.push({ payload, heardAt }) === 1) this.#since = now;
  }

  /** A message on the user's channel: if it is the record of one of these, that and those before it have come back. */
  confirm(message: Message, now: number): void {
    if (!isPlain(message)) return;
    const at = this.#waiting.findIndex(
      ({ payload, heardAt }) =>
        !isAfter(heardAt, message.place.id) && (message.oversize || payload.equals(message.payload)),
    );
    if (at >= 0) this.#settle(at + 1, now);
  }

  /** None of them will come back. Answers whether there were any. */
  giveUp(now: number): boolean {
    const were = !this.isEmpty;
    this.#settle(this.#waiting.length, now);
    return were;
  }

  /** Whether nothing has come back for so long (ms) although something is waited for. */
  isOverdue(patience: number, now: number): boolean {
    return !this.isEmpty && now - this.#since >= patience;
  }

  #settle(count: number, now: number): void {
    this.#waiting.splice(0, count);
    this.#settled += count;
    this.#since = now;
  }
}
