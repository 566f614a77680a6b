import type { Delivery } from '../message/delivery.ts';
import { BEGINNING, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { CloseReason } from './close-reason.ts';
import type { Connection } from './connection.ts';
import type { Debtor } from './credit.ts';
import {
  encodeGoodbye,
  encodeMessage,
  encodeNoop,
  encodeReset,
  encodeStatus,
  type Format,
  type Status,
} from './encode.ts';
import type { Flusher } from './flusher.ts';
import { FrameList } from './frame-list.ts';
import type { KernelQueues } from './kernel-queues.ts';
import { REFUSAL_OF, type Refusal } from './refusal.ts';
import type { ResponseHead } from './response-head.ts';
import { retryAfter } from './retry.ts';
import type { Writer } from './writer.ts';

/** Unsent bytes up to which a replay goes on without waiting, or half of a lower bound: a socket's own buffer, about. */
const HIGH_WATER = 128 * 1024;

/** A client whose credential has ended comes back with a fresh one: after 1.5 to 3 s instead of what is usual for a failure. */
const FRESH = 1 / 20;

export interface EventStreamOptions {
  writer: Writer;
  head: ResponseHead;
  /** Comment lines for the first frame. */
  notes?: readonly string[] | undefined;
  format: Format;
  flusher: Flusher;
  /** Bytes that were written and the transport has not taken, before the reader is too slow. */
  maxBuffer: number;
  random?: () => number;
}

/** One open `text/event-stream` response: what is sent when, and when its reader is too slow. */
export class EventStream implements Connection, Debtor {
  // What is asked for with each event of a crowd stands together: memory is read in lines, and there are many streams.
  #waiting: FrameList | undefined;
  #reason: CloseReason | undefined;
  /** What waits goes with what is urgent. */
  #urgent = false;
  /** The length of a frame beyond the bound, until it is sent (bytes). */
  #large = 0;
  readonly #maxBuffer: number;
  readonly #format: Format;
  readonly #flusher: Flusher;
  readonly #writer: Writer;
  lastSent = performance.now();
  onClose: (reason: CloseReason) => void = () => undefined;
  /** What is sent first, until it has been sent. */
  #first: Pick<EventStreamOptions, 'head' | 'notes'> | undefined;
  readonly #random: () => number;

  constructor({ writer, head, notes, format, flusher, maxBuffer, random = Math.random }: EventStreamOptions) {
    this.#writer = writer;
    this.#first = { head, notes };
    this.#format = format;
    this.#flusher = flusher;
    this.#maxBuffer = maxBuffer;
    this.#random = random;
    writer.onceClosed(() => {
      this.#reason ??= 'client';
      this.#waiting = undefined;
      this.onClose(this.#reason);
    });
  }

  get closed(): boolean {
    return this.#reason !== undefined;
  }

  /** `times`: by how much later than usual the client should come back. */
  open(status: Status, position: Position, reason?: Refusal, times = 1): void {
    if (this.closed || !this.#first) return;
    const { head, notes } = this.#first;
    this.#first = undefined;
    const retry = retryAfter(status, this.#random, times);
    this.#watch(this.#writer.begin(head, encodeStatus(status, position, retry, this.#format, { reason, notes })));
    this.lastSent = performance.now();
  }

  message(delivery: Delivery): void {
    this.#send(encodeMessage(delivery, this.#format), !delivery.crowd);
  }

  reset(channel: string, reason: ResetReason, position: Position): void {
    this.#send(encodeReset(channel, reason, position, this.#format), true);
  }

  noop(position: Position): void {
    this.#send(encodeNoop(position, this.#format), false);
  }

  async drained(): Promise<void> {
    const low = this.#low;
    if (this.#unsent <= low) return;
    this.flush();
    while (!this.closed && (this.#writer.unsent > low || !this.#writer.isOpen)) await this.#writer.drained();
  }

  flush(): void {
    const waiting = this.#waiting;
    if (!waiting || this.closed) return;
    this.#waiting = undefined;
    this.#urgent = false;
    if (waiting.isLarge) for (const part of waiting.parts) this.#watch(this.#writer.write(part));
    else this.#watch(this.#writer.write(waiting.data));
    this.lastSent = performance.now();
  }

  acknowledged(queues: KernelQueues): number | undefined {
    return this.#writer.acknowledged(queues);
  }

  close(
    reason: CloseReason,
    position: Position,
    refusal = REFUSAL_OF[reason],
    times = reason === 'expired' ? FRESH : 1,
  ): void {
    if (this.closed) return;
    if (reason === 'client' || reason === 'slow' || reason === 'gone') {
      this.#reason = reason;
      // What the transport has taken for a reader that has gone is of no use any more.
      if (reason === 'gone') this.#writer.reset();
      else this.#writer.destroy();
      return;
    }
    const status = statusOf(reason);
    if (this.#first) {
      this.open(status, position, refusal, times);
      this.#writer.end();
    } else {
      this.flush();
      const retry = retryAfter(reason === 'shutdown' ? 'ok' : status, this.#random, times);
      if (reason === 'shutdown') this.#writer.end(encodeGoodbye(position, retry, this.#format));
      else this.#writer.end(encodeStatus(status, position, retry, this.#format, { reason: refusal }));
    }
    this.#reason = reason;
  }

  /** What was written beyond the bound, and what waits behind it (bytes). */
  get isOverdrawn(): boolean {
    const limit = this.#maxBuffer + this.#large + this.#low;
    const writer = this.#writer;
    if (this.closed || writer.unsent === 0 || this.#unsent <= limit) return false;
    // `unsent` does not go down while a large write is taken bit by bit.
    return writer.written - writer.taken + (this.#waiting?.bytes ?? 0) > limit;
  }

  get taken(): number {
    return this.#writer.taken;
  }

  giveUp(): void {
    this.close('slow', BEGINNING);
  }

  /** Where no more is unsent, a frame of any size may be added (bytes). */
  get #low(): number {
    return Math.min(HIGH_WATER, this.#maxBuffer / 2);
  }

  /** What was written and is not sent yet, with what waits to be written (bytes). */
  get #unsent(): number {
    return (this.#waiting ? this.#waiting.bytes : 0) + this.#writer.unsent;
  }

  /** Lets somebody look after a reader that takes less than it should. */
  #watch(isTaken: boolean): void {
    if (!isTaken && this.isOverdrawn) this.#flusher.credit.watch(this);
  }

  #send(frame: Buffer, urgent: boolean): void {
    if (this.closed) return;
    // The bound is checked when adding, and counts what the transport did not take: what nobody has tried to write yet says nothing
    // about the reader, and is no more than what is heard in one turn of the event loop, or until the next round. A frame that is
    // larger than the bound (256 kB of line ends are 1.8 MB) may wait too, and the bound is higher by its length until it is gone.
    if (this.#writer.unsent > 0) {
      if (!this.#hasRoom(this.#unsent, frame.length) && !this.#flusher.credit.take(this, frame)) {
        this.giveUp();
        return;
      }
    } else if (this.#waiting === undefined) this.#large = 0;
    if (frame.length > this.#maxBuffer) this.#large = Math.max(this.#large, frame.length);
    const isFirst = this.#waiting === undefined;
    this.#waiting = FrameList.add(this.#waiting, frame);
    if (isFirst || (urgent && !this.#urgent)) this.#flusher.add(this, urgent);
    this.#urgent ||= urgent;
    if (this.#waiting.bytes <= HIGH_WATER) return;
    // What goes to this stream alone is memory of its own; what goes to a crowd is shared, and written in slices, others between.
    if (this.#urgent && this.#waiting.bytes > this.#maxBuffer) this.flush();
    else this.#flusher.hurry();
  }

  #hasRoom(unsent: number, more: number): boolean {
    return unsent + more <= this.#maxBuffer + this.#large || unsent <= this.#low;
  }
}

function statusOf(reason: CloseReason): Status {
  return reason === 'failure' || reason === 'expired' ? 'failure' : 'error';
}
