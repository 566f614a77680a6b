import { randomUUID } from 'node:crypto';
import { FIRST_PLACE, type Place, placeOf } from '../message/place.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { Count, PlainMessage } from './plain-source.ts';

/** Limits of one script call (messages and bytes of payload), which takes about 5 ms of Redis's time. */
const BATCH_MESSAGES = 256;
const BATCH_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * `deaf` (no connection, or no anchor received on it yet) → `listening` (a standby: it queues plain PUBLISHes, and removes those that
 * are recorded) → `elected` (it owns the lease, and has not received yet all records from before that) → `leading` (it records its
 * queue). `spare`: two others stand by already.
 */
export type ListeningState = 'deaf' | 'listening' | 'elected' | 'leading' | 'spare';

/**
 * One unbroken period of listening on one connection: the id at which it began, the place that it has reached, and the plain
 * PUBLISHes received in it.
 *
 * Invariant: `queue` holds every plain PUBLISH since `from` whose place is behind the last place known to be recorded, in Redis's
 * order.
 */
export class ListeningPeriod {
  /** Names the owner of the lease: the right to record belongs to a listening period, not to a gateway, and ends with it. */
  readonly name = randomUUID();
  state: ListeningState = 'deaf';
  /** The id of the first anchor; places are known from there on. `undefined` before it. */
  from: Position | undefined;
  fromCount: Count = { life: '', number: 0 };
  queue: PlainMessage[] = [];
  #place: Place = FIRST_PLACE;
  #count = this.fromCount;
  #overcounts: boolean;

  /** `overcounts`: whether the period before this one has found that it overcounts. */
  constructor(overcounts = false) {
    this.#overcounts = overcounts;
  }

  /**
   * Whether more messages were received between two anchors than Redis has counted: something publishes without PUBLISH, such as a
   * module. Received messages are not counted from then on, because a count that is too high would hide a loss, and one that is too
   * low only costs an unnecessary gap.
   */
  get overcounts(): boolean {
    return this.#overcounts;
  }

  /** The place that this period has reached, and the count there. Everything received so far is at this place or before it. */
  get place(): Place & { count: Count } {
    return { ...this.#place, count: this.#count };
  }

  /**
   * Called when an anchor is received. `isOwn`: this gateway has asked for the anchor. Ids only rise, so ignore an anchor of another
   * gateway with a lower id: it may be a forged PUBLISH on a topic of the gateway's. If a forged id was too high, the gateway's own
   * anchors, which are never ignored, correct the place.
   */
  anchored(id: Position, count: Count, isOwn = true): void {
    if (!isOwn && isAfter(this.#place.id, id)) return;
    if (count.life === this.#count.life && count.number < this.#count.number) this.#overcounts = true;
    this.#place = { id, number: 0 };
    this.#count = count;
  }

  /** Begins at the anchor that was just received: plain PUBLISHes are queued from here on. */
  begin(): void {
    this.from = this.#place.id;
    this.fromCount = this.#count;
    this.state = 'listening';
  }

  /** Called for each plain PUBLISH. It is counted, and queued if `isRecorded`: if PUBLISHes on its channel are recorded. */
  hear(channel: string, payload: Buffer, isRecorded: boolean): void {
    if (!this.#overcounts) this.#count = { life: this.#count.life, number: this.#count.number + 1 };
    if (this.from === undefined || !isRecorded) return;
    const { id, number } = this.#place;
    this.#place = { id, number: number + 1 };
    this.queue.push({ id, number: number + 1, count: this.#count, channel, payload });
  }

  /** Queues a question whether everything before this id is recorded. It is answered in its turn, when all before it is recorded. */
  settle(id: Position): void {
    this.#place = placeOf(id);
    if (this.from === undefined) return;
    this.queue.push({ ...this.#place, count: this.#count, channel: '', payload: NOTHING });
  }

  /** Called when a record with this id is received: places are counted from its id on. */
  recorded(id: Position): void {
    if (isAfter(this.#place.id, id)) return;
    this.#place = { id, number: 0 };
  }

  /** Removes everything up to this place from the queue, because it is recorded. */
  forget({ id, number }: Place): void {
    const later = this.queue.findIndex((one) => isAfter(one.id, id) || (one.id === id && one.number > number));
    this.queue.splice(0, later < 0 ? this.queue.length : later);
  }

  /** Removes the first messages of the queue, because they were sent and recorded. Not by place: a forged anchor may falsify places. */
  forgetFirst(messages: number): void {
    this.queue.splice(0, messages);
  }

  /** Whether this gateway leads, and has recorded everything that it has received. */
  get isIdle(): boolean {
    return this.state === 'leading' && this.queue.length === 0;
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
