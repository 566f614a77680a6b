import type { Position } from '../message/position.ts';
import { Credit } from './credit.ts';
import { MOST_TIMED } from './write-timer.ts';

/** A stream that has bytes to send. */
export interface Flushable {
  /** Sends the waiting bytes in one write. `now`: the monotonic clock (ms), which is read once for many streams: it takes 40 ns. */
  flush(now: number): void;
}

/** Time of writing before the event loop gets a turn (ms): a fan-out to 10,000 streams takes 60 ms of writes. */
const SLICE = 4;
/**
 * Time from the start of one round of writing to a crowd to the start of the next (ms). Messages that arrive in between go into one
 * write per stream: at 200 messages a second an event costs 1.2 µs instead of 2.7. A message after a pause does not wait.
 */
const SPACING = 40;
/**
 * The share of the core that rounds for crowds may take. A long round is followed by a pause as long as the round, and messages that
 * arrive in the pause go into one write. With 10,000 streams and 10 messages a second an event costs 5.1 µs instead of 7.8.
 */
const SHARE = 0.5;
/** Longest time from the start of one round to the start of the next (ms): a round looks long if the process was suspended in it. */
const LONGEST_SPACING = 500;

/**
 * Writes the waiting frames of streams: the frames of one stream together, and large fan-outs in slices and not too often.
 * A stream that has a frame of its own does not wait behind a crowd (`urgent`).
 */
export class Flusher {
  /** The unsent bytes that streams may have beyond their bounds. */
  readonly credit: Credit;
  readonly #urgent: Flushable[] = [];
  /** The streams of the next round. */
  #coming: Flushable[] = [];
  /** The streams of the current round. */
  #crowd: Flushable[] = [];
  /** The index in `#crowd` of the stream that is written next. */
  #next = 0;
  /** When the last round began (ms). */
  #began = Number.NEGATIVE_INFINITY;
  /** How long the last round took (ms). */
  #took = 0;
  /** Whether a round is in progress or scheduled. */
  #busy = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #onWritten: (ids: readonly Position[]) => void;
  /** The messages that `onWritten` is called with: after the urgent streams, after the next round, and after the current one. */
  #urgentIds: Position[] = [];
  #comingIds: Position[] = [];
  #crowdIds: Position[] = [];

  /** @param onWritten called with messages that were announced, when the last of their streams has been written to */
  constructor(credit = new Credit(), onWritten: (ids: readonly Position[]) => void = () => undefined) {
    this.credit = credit;
    this.#onWritten = onWritten;
  }

  /** Announces a message that was just given to all of its readers, so that its writing is timed. If no stream waits, it is not. */
  announce(id: Position, crowd: boolean): void {
    const [streams, ids] = crowd ? [this.#coming, this.#comingIds] : [this.#urgent, this.#urgentIds];
    if (streams.length > 0 && ids.length < MOST_TIMED) ids.push(id);
  }

  add(flushable: Flushable, urgent: boolean): void {
    if (urgent) {
      if (this.#urgent.push(flushable) === 1) setImmediate(this.#writeUrgent);
    } else if (this.#coming.push(flushable) === 1 && !this.#busy) this.#await();
  }

  /** Begins the scheduled round now: so many bytes wait that a write pays, and more would look as if the reader were slow. */
  hurry(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    setImmediate(this.#begin);
  }

  readonly #writeUrgent = (): void => {
    const now = performance.now();
    for (const flushable of this.#urgent) flushable.flush(now);
    this.#urgent.length = 0;
    const ids = this.#urgentIds;
    if (ids.length === 0) return;
    this.#urgentIds = [];
    this.#onWritten(ids);
  };

  #await(): void {
    this.#busy = true;
    const spacing = Math.min(Math.max(SPACING, this.#took / SHARE), LONGEST_SPACING);
    const wait = this.#began + spacing - performance.now();
    if (wait > 1) this.#timer = setTimeout(this.#begin, wait);
    else setImmediate(this.#begin);
  }

  readonly #begin = (): void => {
    this.#timer = undefined;
    this.#began = performance.now();
    this.#crowd = this.#coming;
    this.#coming = [];
    this.#crowdIds = this.#comingIds;
    this.#comingIds = [];
    this.#next = 0;
    this.#write();
  };

  readonly #write = (): void => {
    let now = performance.now();
    const until = now + SLICE;
    while (this.#next < this.#crowd.length) {
      this.#crowd[this.#next++]!.flush(now);
      if (this.#next % 64 !== 0) continue;
      now = performance.now();
      if (now > until) {
        setImmediate(this.#write);
        return;
      }
    }
    this.#crowd = [];
    this.#took = performance.now() - this.#began;
    if (this.#crowdIds.length > 0) this.#onWritten(this.#crowdIds);
    this.#crowdIds = [];
    this.#busy = false;
    if (this.#coming.length > 0) this.#await();
  };
}
