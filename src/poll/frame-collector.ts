import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import {
  encodeDenied,
  encodeMessage,
  encodeReset,
  encodeStatus,
  type Format,
  type Status,
} from '../connection/encode.ts';
import { endingOf, statusOf } from '../connection/last-frame.ts';
import type { Ending } from '../connection/refusal.ts';
import type { WriteTimer } from '../connection/write-timer.ts';
import type { Delivery } from '../message/delivery.ts';
import { formatPosition, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Progress } from './poll-store.ts';

/** If only resets were collected, more may follow: the poll waits so long for it (ms). */
const AFTER_RESET = 100;
/** The most messages of one batch. The rest is read by the next poll. */
const MOST = 500;
/** Reasons that say nothing about the stream: it goes on with the next poll. */
const QUIET = new Set<CloseReason>(['client', 'slow', 'gone', 'polled', 'shutdown', 'moved']);
/** Reasons that are told at once, because the next poll is refused. The browser would ask again at once after the others. */
const PROMPT = new Set<CloseReason>(['expired', 'revoked']);
/** How long a poll keeps the reason for which its stream has ended (ms). */
const DELAY = 1000;

export interface FrameCollectorOptions {
  format: Format;
  /** The position of the stream, as text. */
  position: string;
  /** Whether the stream has said `ok` already, and nothing else since. */
  isTold: boolean;
  /** The number of the batch behind which the stream is read. */
  number: number;
  /** The most bytes of frames (bytes). */
  maxBuffer: number;
  timer: Pick<WriteTimer, 'begin'>;
  /** Called when frames have been added in this turn of the event loop, and when the connection has ended. */
  onNews: () => void;
  /** Called again and again once there are resets: the owner takes them as soon as nothing is being read. */
  onReset: () => void;
}

/**
 * A stream as texts for the queue of a poll session: of each frame its data. One poll reads a stretch of the stream, and the next one goes on
 * from the position that the store has, at any gateway.
 *
 * Invariant: `progress` has every frame up to its position, and none after it. What is added later is read again by the next poll.
 */
export class FrameCollector implements Connection {
  onClose: (reason: CloseReason) => void = () => undefined;
  /** Later than every noop is due: a poll ends before. */
  readonly lastSent = Number.POSITIVE_INFINITY;
  readonly #options: FrameCollectorOptions;
  readonly #frames: string[] = [];
  #position: string;
  #isTold: boolean;
  #bytes = 0;
  #messages = 0;
  #isClosed = false;
  #isNews = false;
  #onWritten: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FrameCollectorOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#isTold = options.isTold;
  }

  get transport() {
    return 'sock.it' as const;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** What has been collected so far. */
  get progress(): Progress {
    const { number } = this.#options;
    return { position: this.#position, isTold: this.#isTold, number, frames: [...this.#frames] };
  }

  open(status: Status, position: Position, { refusal, limit }: Ending = {}): void {
    if (this.#isClosed) return;
    this.#position = formatPosition(position);
    if (status === 'ok' && this.#isTold) return;
    this.#isTold = status === 'ok';
    this.#add(encodeStatus(status, position, 0, this.#options.format, { refusal, limit }));
    this.#tell();
  }

  message(delivery: Delivery): void {
    if (this.#isClosed) return;
    this.#position = formatPosition(delivery.message.id);
    this.#onWritten ??= this.#options.timer.begin();
    this.#add(encodeMessage(delivery, this.#options.format));
    if (this.#messages++ >= MOST || this.#bytes > this.#options.maxBuffer) this.#end('polled');
    else this.#tell();
  }

  reset(channel: string, reason: ResetReason, position: Position): void {
    if (this.#isClosed) return;
    this.#add(encodeReset(channel, reason, position, this.#options.format));
    // A reset does not move the position, so the next poll would be told of it again. `progress` moves it, once nothing is being read.
    this.#timer ??= setInterval(() => this.#options.onReset(), AFTER_RESET);
  }

  denied(channel: string, position: Position): void {
    if (this.#isClosed) return;
    this.#add(encodeDenied(channel, position, this.#options.format));
    this.#tell();
  }

  noop(position: Position): void {
    if (this.#isClosed) return;
    this.#position = formatPosition(position);
  }

  async drained(): Promise<void> {}

  acknowledged(): undefined {
    return undefined;
  }

  /** The poll that has these frames was answered, or has ended without an answer. */
  written(): void {
    this.#onWritten?.();
    // No message begins another measurement, because the poll has ended.
    this.#onWritten = () => undefined;
  }

  close(reason: CloseReason, position: Position, ending: Ending = {}): void {
    if (this.#isClosed) return;
    if (!QUIET.has(reason)) this.#say(reason, position, ending);
    this.#end(reason);
  }

  #say(reason: CloseReason, position: Position, ending: Ending): void {
    const { refusal, limit } = endingOf(reason, ending);
    this.#isTold = false;
    this.#add(encodeStatus(statusOf(reason), position, 0, this.#options.format, { refusal, limit }));
  }

  #add(frame: Buffer): void {
    this.#frames.push(dataOf(frame));
    this.#bytes += frame.length;
  }

  #end(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    if (QUIET.has(reason) || PROMPT.has(reason)) this.#tell();
    else setTimeout(() => this.#tell(), DELAY);
    // The caller may be giving a message to many readers, and this one leaves them.
    setImmediate(() => this.onClose(reason));
  }

  #tell(): void {
    if (this.#isNews) return;
    this.#isNews = true;
    setImmediate(() => {
      this.#isNews = false;
      this.#options.onNews();
    });
  }
}

/** The data of a frame, as an EventSource gives it to a page. */
export function dataOf(frame: Buffer): string {
  const lines = frame.toString('utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length))
    .join('\n');
}
