import type { Delivery } from '../message/delivery.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { CloseReason } from './close-reason.ts';
import type { Connection } from './connection.ts';
import {
  encodeDenied,
  encodeMessage,
  encodeNoop,
  encodeReset,
  encodeStatus,
  type Format,
  type Status,
} from './encode.ts';
import { FrameQueue } from './frame-queue.ts';
import { encodeLast, endingOf, statusOf } from './last-frame.ts';
import type { Ending } from './refusal.ts';
import type { ResponseHead } from './response-head.ts';
import { retryAfter } from './retry.ts';
import type { WriteTimer } from './write-timer.ts';
import type { Writer } from './writer.ts';

/** How long a poll waits for a message (ms). Proxies give up a silent response after 30 s or more. */
const PATIENCE = 25_000;
/** The `retry` of a poll (ms): the client asks again at once, and a client that misreads it does no harm. */
const RETRY = 100;
/** If only resets were sent, more may follow: the poll waits so long for it, and then says how far the client has come (ms). */
const AFTER_RESET = 100;

/** How long the client may take to read the response (ms). */
const TAKING = 60_000;

export interface PollResponseOptions {
  writer: Writer;
  head: ResponseHead;
  /** Comment lines for the first frame. */
  notes?: readonly string[] | undefined;
  format: Format;
  /** Milliseconds; see `SessionRegistry`. */
  noopInterval: number;
  /** The response ends if it has more bytes than this; the client asks for the rest. */
  maxBuffer: number;
  /** Whether each message of the channel replaces the ones before it. */
  isConflated: (channel: string) => boolean;
  timer: Pick<WriteTimer, 'begin'>;
  /** Whether the client has no position: it is answered at once, so that it has one, and misses nothing while it asks again. */
  isFirst: boolean;
  random?: () => number;
}

/**
 * A stream as the response to one request: it has the same frames, ends with the first messages, or with a noop, and says its length. So
 * nothing on the way can hold it back, and a client that comes back with its position misses nothing.
 *
 * Invariant: every frame that was added before the end is sent, unless a later one replaces it, and none after it. The client's position is
 * that of the last frame, so what came later is read by the next poll.
 */
export class PollResponse implements Connection {
  onClose: (reason: CloseReason) => void = () => undefined;
  /** Called if the client has been told of gaps only: the owner answers with a noop as soon as nothing is being read. */
  onReset: () => void = () => undefined;
  /** The registry sends a noop one interval after this. */
  readonly lastSent: number;
  readonly #options: PollResponseOptions;
  #frames = new FrameQueue();
  #reason: CloseReason | undefined;
  #isOpened = false;
  /** There once a message was added; to be called when the response is written. */
  #onWritten: (() => void) | undefined;
  /** Whether the response ends with this turn of the event loop. */
  #isEnding = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PollResponseOptions) {
    this.#options = options;
    this.lastSent = performance.now() + PATIENCE - options.noopInterval;
    options.writer.onceClosed(() => {
      if (this.#reason !== undefined) return;
      clearInterval(this.#timer);
      this.#reason = 'client';
      this.#onWritten?.();
      this.onClose('client');
    });
  }

  get transport() {
    return 'poll' as const;
  }

  get closed(): boolean {
    return this.#reason !== undefined;
  }

  open(status: Status, position: Position, { refusal, limit, times = 1 }: Ending = {}): void {
    if (this.closed || this.#isOpened) return;
    this.#isOpened = true;
    const { format, notes, random = Math.random } = this.#options;
    const retry = status === 'ok' ? RETRY : retryAfter(status, random, times);
    this.#add(encodeStatus(status, position, retry, format, { refusal, limit, noopInterval: PATIENCE, notes }));
    if (status === 'ok' && this.#options.isFirst) this.#endSoon();
  }

  message(delivery: Delivery): void {
    const { format, isConflated, maxBuffer } = this.#options;
    const { channel } = delivery.message;
    this.#add(encodeMessage(delivery, format), isConflated(channel) ? channel : undefined);
    if (!this.closed) this.#onWritten ??= this.#options.timer.begin();
    if (this.#frames.bytes > maxBuffer) this.#end('polled');
    else this.#endSoon();
  }

  reset(channel: string, reason: ResetReason, position: Position): void {
    this.#add(encodeReset(channel, reason, position, this.#options.format));
    this.#timer ??= setInterval(() => this.onReset(), AFTER_RESET);
  }

  denied(channel: string, position: Position): void {
    this.#add(encodeDenied(channel, position, this.#options.format));
  }

  noop(position: Position): void {
    this.#add(encodeNoop(position, this.#options.format));
    this.#end('polled');
  }

  async drained(): Promise<void> {}

  acknowledged(): undefined {
    return undefined;
  }

  close(reason: CloseReason, position: Position, ending: Ending = {}): void {
    if (this.closed) return;
    const { format, random = Math.random, writer } = this.#options;
    if (reason === 'client' || reason === 'slow' || reason === 'gone') {
      writer.destroy();
      return;
    }
    const whole = endingOf(reason, ending);
    if (!this.#isOpened) this.open(statusOf(reason), position, whole);
    else this.#add(encodeLast(reason, position, whole, { format, random, goodbyeRetry: RETRY }));
    this.#end(reason);
  }

  #endSoon(): void {
    if (!this.#isEnding) setImmediate(() => this.#end('polled'));
    this.#isEnding = true;
  }

  #add(frame: Buffer, key?: string): void {
    if (!this.closed) this.#frames.add(frame, key);
  }

  #end(reason: CloseReason): void {
    if (this.closed) return;
    this.#reason = reason;
    clearInterval(this.#timer);
    const { writer, head } = this.#options;
    const headers = { ...head.headers, 'Content-Length': `${this.#frames.bytes}` };
    writer.begin({ ...head, headers }, Buffer.concat(this.#frames.frames));
    this.#frames = new FrameQueue();
    writer.end(undefined, TAKING);
    this.#onWritten?.();
    // The caller may be giving a message to many readers, and this one leaves them.
    setImmediate(() => this.onClose(reason));
  }
}
