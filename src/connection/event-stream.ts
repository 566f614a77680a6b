import type { Delivery } from '../message/delivery.ts';
import { BEGINNING, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { CloseReason } from './close-reason.ts';
import type { Connection } from './connection.ts';
import type { Debtor } from './credit.ts';
import {
  encodeDenied,
  encodeMessage,
  encodeNoop,
  encodeReset,
  encodeStatus,
  type Format,
  type Status,
} from './encode.ts';
import type { Flusher } from './flusher.ts';
import { FrameList } from './frame-list.ts';
import { FrameQueue } from './frame-queue.ts';
import type { KernelQueues } from './kernel-queues.ts';
import { encodeLast, endingOf, statusOf } from './last-frame.ts';
import type { Ending } from './refusal.ts';
import type { ResponseHead } from './response-head.ts';
import { retryAfter } from './retry.ts';
import type { Writer } from './writer.ts';

/** Unsent bytes up to which a replay continues without waiting: about a socket's own buffer. Half of `maxBuffer`, if that is less. */
const HIGH_WATER = 128 * 1024;

/** How long a client that was disconnected may take to read what is still unsent (ms). Within a second its stream has ended. */
const PROMPT = 900;

/** Of several noops that wait only the last one is sent. No channel has this name. */
const NOOP = ' noop';

export interface EventStreamOptions {
  writer: Writer;
  head: ResponseHead;
  /** Comment lines for the first frame. */
  notes?: readonly string[] | undefined;
  /** In the JSON of the first frame: after so long a silence a noop comes (ms). */
  noopInterval?: number | undefined;
  format: Format;
  flusher: Flusher;
  /** Bound of unsent bytes: written, and not taken by the transport. A reader above it may be closed as too slow (see `Credit`). */
  maxBuffer: number;
  /** Whether each message of the channel replaces the ones before it. */
  isConflated: (channel: string) => boolean;
  random?: () => number;
}

/**
 * One open `text/event-stream` response. It decides when frames are written, and when its reader is too slow.
 *
 * Invariant: while there is a `#held`, every frame goes into it, and `#waiting` is empty. It is made if a message of a conflated channel
 * comes while the transport has not taken everything, and written when it has: what was replaced until then is not sent.
 *
 * A long file: what waits, what is held and what is unsent decide about each other.
 */
export class EventStream implements Connection, Debtor {
  // The fields that are read with each event of a crowd come first, next to each other, so that they share cache lines.
  #waiting: FrameList | undefined;
  #reason: CloseReason | undefined;
  /** Whether `#waiting` is flushed with the urgent streams instead of with the crowd. */
  #urgent = false;
  /** The length of the largest unsent frame that is larger than the bound (bytes); 0 if there is none. */
  #large = 0;
  readonly #maxBuffer: number;
  readonly #format: Format;
  readonly #flusher: Flusher;
  readonly #writer: Writer;
  #held: FrameQueue | undefined;
  lastSent = performance.now();
  onClose: (reason: CloseReason) => void = () => undefined;
  /** The response head, and what the first frame says beside the status; `undefined` once they are sent. */
  #first: Pick<EventStreamOptions, 'head' | 'notes' | 'noopInterval'> | undefined;
  readonly #isConflated: (channel: string) => boolean;
  readonly #random: () => number;

  constructor({ writer, head, notes, noopInterval, format, flusher, maxBuffer, ...options }: EventStreamOptions) {
    this.#writer = writer;
    this.#first = { head, notes, noopInterval };
    this.#format = format;
    this.#flusher = flusher;
    this.#maxBuffer = maxBuffer;
    this.#isConflated = options.isConflated;
    this.#random = options.random ?? Math.random;
    writer.onceClosed(() => {
      this.#reason ??= 'client';
      this.#waiting = undefined;
      this.#held = undefined;
      this.onClose(this.#reason);
    });
  }

  get transport() {
    return 'stream' as const;
  }

  get closed(): boolean {
    return this.#reason !== undefined;
  }

  open(status: Status, position: Position, { refusal, limit, times = 1 }: Ending = {}): void {
    if (this.closed || !this.#first) return;
    const { head, ...remarks } = this.#first;
    this.#first = undefined;
    const retry = retryAfter(status, this.#random, times);
    const frame = encodeStatus(status, position, retry, this.#format, { refusal, limit, ...remarks });
    this.#watch(this.#writer.begin(head, frame));
    this.lastSent = performance.now();
  }

  message(delivery: Delivery): void {
    const { channel } = delivery.message;
    const isBehind = this.#held !== undefined || this.#writer.unsent > 0;
    const key = isBehind && this.#isConflated(channel) ? channel : undefined;
    this.#send(encodeMessage(delivery, this.#format), !delivery.crowd, key);
  }

  reset(channel: string, reason: ResetReason, position: Position): void {
    this.#send(encodeReset(channel, reason, position, this.#format), true);
  }

  denied(channel: string, position: Position): void {
    this.#send(encodeDenied(channel, position, this.#format), true);
  }

  noop(position: Position): void {
    this.#send(encodeNoop(position, this.#format), false, this.#held && NOOP);
  }

  async drained(): Promise<void> {
    const low = this.#low;
    if (this.#unsent <= low) return;
    this.flush();
    const writer = this.#writer;
    while (!this.closed && (writer.unsent + (this.#held?.bytes ?? 0) > low || !writer.isOpen)) await writer.drained();
  }

  flush(now = performance.now()): void {
    const waiting = this.#waiting;
    if (!waiting || this.closed) return;
    this.#waiting = undefined;
    this.#urgent = false;
    if (waiting.isLarge) for (const part of waiting.parts) this.#watch(this.#writer.write(part));
    else this.#watch(this.#writer.write(waiting.data));
    this.lastSent = now;
  }

  acknowledged(queues: KernelQueues): number | undefined {
    return this.#writer.acknowledged(queues);
  }

  close(reason: CloseReason, position: Position, ending: Ending = {}): void {
    if (this.closed) return;
    if (reason === 'client' || reason === 'slow' || reason === 'gone') {
      this.#reason = reason;
      // `reset` also drops the bytes in the kernel, which the client of a dead connection will never acknowledge.
      if (reason === 'gone') this.#writer.reset();
      else this.#writer.destroy();
      return;
    }
    const whole = endingOf(reason, ending);
    const within = reason === 'revoked' ? PROMPT : undefined;
    if (this.#first) {
      this.open(statusOf(reason), position, whole);
      this.#writer.end(undefined, within);
    } else {
      this.#release();
      const options = { format: this.#format, random: this.#random };
      this.#writer.end(encodeLast(reason, position, whole, options), within);
    }
    this.#reason = reason;
  }

  /** Whether more bytes are unsent than the bound allows. */
  get isOverdrawn(): boolean {
    const limit = this.#maxBuffer + this.#large + this.#low;
    const writer = this.#writer;
    if (this.closed || writer.unsent === 0 || this.#unsent <= limit) return false;
    // `unsent` may count a large write in full until all of it is taken, so compare the exact numbers before a stream is blamed.
    return writer.written - writer.taken + this.#unwritten > limit;
  }

  get taken(): number {
    return this.#writer.taken;
  }

  giveUp(): void {
    this.close('slow', BEGINNING);
  }

  /** While no more than this is unsent, a frame of any size may be added (bytes). */
  get #low(): number {
    return Math.min(HIGH_WATER, this.#maxBuffer / 2);
  }

  /** Bytes that wait to be written, and bytes that are written and not sent yet. */
  get #unsent(): number {
    return this.#unwritten + this.#writer.unsent;
  }

  get #unwritten(): number {
    return (this.#waiting ? this.#waiting.bytes : 0) + (this.#held ? this.#held.bytes : 0);
  }

  /** Hands the stream to `Credit` if a write has left it above its bound. `isTaken`: the transport has taken all of the write. */
  #watch(isTaken: boolean): void {
    if (!isTaken && this.isOverdrawn) this.#flusher.credit.watch(this);
  }

  /** `key`: the frame is held, and replaces the one that is held with the same key. */
  #send(frame: Buffer, urgent: boolean, key?: string): void {
    if (this.closed) return;
    // The bound is checked when a frame is added, and only if the transport has not taken everything. Frames that were not written yet
    // say nothing about the reader; they are at most the messages of one turn of the event loop, or of the time until the next round.
    // A frame larger than the bound (256 kB of line ends are 1.8 MB) may wait too: the bound is raised by its length until it is sent.
    if (this.#writer.unsent > 0) {
      const more = frame.length - (this.#held ? this.#held.bytesOf(key) : 0);
      if (!this.#hasRoom(this.#unsent, more) && !this.#flusher.credit.take(this, frame)) {
        this.giveUp();
        return;
      }
    } else if (this.#waiting === undefined) this.#large = 0;
    if (frame.length > this.#maxBuffer) this.#large = Math.max(this.#large, frame.length);
    if (this.#held || key !== undefined) {
      this.#hold().add(frame, key);
      return;
    }
    const isFirst = this.#waiting === undefined;
    this.#waiting = FrameList.add(this.#waiting, frame);
    if (isFirst || (urgent && !this.#urgent)) this.#flusher.add(this, urgent);
    this.#urgent ||= urgent;
    if (this.#waiting.bytes <= HIGH_WATER) return;
    // Frames for this stream alone cost memory of their own, so write them now. Frames for a crowd are shared between its streams, and
    // the flusher writes them in slices, so that others get a turn.
    if (this.#urgent && this.#waiting.bytes > this.#maxBuffer) this.flush();
    else this.#flusher.hurry();
  }

  #hold(): FrameQueue {
    if (this.#held) return this.#held;
    this.flush();
    void this.#writer.drained().then(() => this.#release());
    this.#held = new FrameQueue();
    return this.#held;
  }

  /** Writes what waits and what is held. */
  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const frame of held?.frames ?? []) this.#waiting = FrameList.add(this.#waiting, frame);
    this.flush();
  }

  #hasRoom(unsent: number, more: number): boolean {
    return unsent + more <= this.#maxBuffer + this.#large || unsent <= this.#low;
  }
}
