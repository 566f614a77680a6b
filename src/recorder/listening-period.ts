import { randomUUID } from 'node:crypto';
import { FIRST_PLACE, type Place, placeOf } from '../message/place.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { Count, PlainMessage } from './plain-source.ts';

/** One script call: about 5 ms of Redis's time. */
const BATCH_MESSAGES = 256;
const BATCH_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * One unbroken period of hearing on one connection: where it began, the place it has reached, and what was heard in it.
 *
 * Invariant: `queue` is every plain PUBLISH since `from` whose place is behind the last one that is known to be recorded,
 * in Redis's order.
 */
export class ListeningPeriod {
  /** The right to record is given to a period, and ends with it. */
  readonly name = randomUUID();
  /** The first anchor; places are known from there on. */
  from: Position | undefined;
  fromCount: Count = { life: '', number: 0 };
  queue: PlainMessage[] = [];
  #place: Place = FIRST_PLACE;
  #count = this.fromCount;
  #overcounts: boolean;

  /** `overcounts`: as the period before had found. */
  constructor(overcounts = false) {
    this.#overcounts = overcounts;
  }

  /**
   * More was heard between two anchors than Redis has counted: something publishes without PUBLISH, such as a module. What is heard
   * is not counted any more then: a count that is too low costs a gap too many, one that is too high hides a loss.
   */
  get overcounts(): boolean {
    return this.#overcounts;
  }

  /** Everything heard so far is behind this place, or at it. */
  get place(): Place & { count: Count } {
    return { ...this.#place, count: this.#count };
  }

  /**
   * `isOwn`: this gateway has asked for it. Ids rise, so a lower one is somebody else's PUBLISH on a topic of ours, unless one before
   * it was too high for the same reason: this gateway's own anchors put that right.
   */
  anchored(id: Position, count: Count, isOwn = true): void {
    if (!isOwn && isAfter(this.#place.id, id)) return;
    if (count.life === this.#count.life && count.number < this.#count.number) this.#overcounts = true;
    this.#place = { id, number: 0 };
    this.#count = count;
  }

  begin(): void {
    this.from = this.#place.id;
    this.fromCount = this.#count;
  }

  /** A plain PUBLISH went by; it is queued unless it is not one that is recorded. */
  hear(channel: string, payload: Buffer, isRecorded: boolean): void {
    if (!this.#overcounts) this.#count = { life: this.#count.life, number: this.#count.number + 1 };
    if (this.from === undefined || !isRecorded) return;
    const { id, number } = this.#place;
    this.#place = { id, number: number + 1 };
    this.queue.push({ id, number: number + 1, count: this.#count, channel, payload });
  }

  /** Whoever asks is answered in turn: when everything before it in the queue is recorded. */
  settle(id: Position): void {
    this.#place = placeOf(id);
    if (this.from === undefined) return;
    this.queue.push({ ...this.#place, count: this.#count, channel: '', payload: NOTHING });
  }

  recorded(id: Position): void {
    if (isAfter(this.#place.id, id)) return;
    this.#place = { id, number: 0 };
  }

  /** Everything up to this place is recorded. */
  forget({ id, number }: Place): void {
    const later = this.queue.findIndex((one) => isAfter(one.id, id) || (one.id === id && one.number > number));
    this.queue.splice(0, later < 0 ? this.queue.length : later);
  }

  /** These were sent, and are recorded: whatever their places are, which may be made up by somebody else. */
  forgetFirst(messages: number): void {
    this.queue.splice(0, messages);
  }

  get hasFullBatch(): boolean {
    return this.queue.length >= BATCH_MESSAGES;
  }

  nextBatch(): PlainMessage[] {
    let bytes = 0;
    const end = this.queue.findIndex(({ payload }, i) => {
      bytes += payload.length;
      return i === BATCH_MESSAGES || (i > 0 && bytes > BATCH_BYTES);
    });
    return this.queue.slice(0, end < 0 ? this.queue.length : end);
  }
}
