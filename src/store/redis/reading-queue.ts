import { collectSoon } from './collect-soon.ts';

/** Bytes that all readings may use at a time: requested from Redis, or read and not delivered to their readers yet. */
const BUDGET = 4 * 1024 * 1024;
/** Of those, bytes requested from Redis at a time: it answers one call after the other, and no other client meanwhile. */
const IN_FLIGHT = 1024 * 1024;
/** How long a page is counted at most (ms): a slow reader must not keep others waiting. Its stream has bounds of its own. */
const HELD = 250;
/** A page of at most so many bytes is delivered without a turn of the event loop of its own. */
const SMALL = 16 * 1024;

interface Waiting {
  bytes: number;
  isUrgent: boolean;
  begin: (turn: Turn) => void;
}

/** The part of the budget that one call uses. */
export class Turn {
  readonly #queue: ReadingQueue;
  #bytes: number;
  /** Of those, the bytes that Redis has not answered yet. */
  #asked: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(queue: ReadingQueue, bytes: number) {
    this.#queue = queue;
    this.#bytes = bytes;
    this.#asked = bytes;
  }

  /** Redis has answered so many bytes. Settles when they may be delivered to the reader. */
  async answered(bytes: number): Promise<void> {
    this.#settle(bytes);
    collectSoon(bytes);
    if (bytes > SMALL) await this.#queue.turnOfEventLoop();
    if (bytes > 0) this.#timer = setTimeout(() => this.done(), HELD).unref();
  }

  /** Frees this part: the page is no longer needed, or Redis did not answer. May be called twice. */
  done(): void {
    clearTimeout(this.#timer);
    this.#settle(0);
  }

  #settle(bytes: number): void {
    const freed = this.#bytes - bytes;
    this.#bytes = bytes;
    this.#queue.free(freed, this.#asked);
    this.#asked = 0;
  }
}

/**
 * Decides which reading may call Redis next: in the order of their requests. Each reading requests one page after the other, so
 * that many readings get their pages by turns. One budget for all readings of this process.
 */
export class ReadingQueue {
  readonly #budget: number;
  readonly #mostAsked: number;
  readonly #waiting = new Set<Waiting>();
  readonly #urgent = new Set<Waiting>();
  #used = 0;
  #asked = 0;
  #lastTurn: Promise<void> = Promise.resolve();

  constructor(budget = BUDGET, asked = IN_FLIGHT) {
    this.#budget = budget;
    this.#mostAsked = asked;
  }

  /**
   * Settles when so many bytes may be requested. Rejects if `signal` is aborted before. An urgent call comes first, and does not
   * wait for readers that still have their pages.
   */
  enter(bytes: number, signal: AbortSignal | undefined, isUrgent = false): Promise<Turn> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const leave = (): void => {
        queue.delete(waiting);
        reject(signal!.reason);
      };
      const begin = (turn: Turn): void => {
        signal?.removeEventListener('abort', leave);
        resolve(turn);
      };
      const queue = isUrgent ? this.#urgent : this.#waiting;
      const waiting = { bytes, isUrgent, begin };
      signal?.addEventListener('abort', leave, { once: true });
      queue.add(waiting);
      this.#begin();
    });
  }

  free(bytes: number, asked: number): void {
    this.#used -= bytes;
    this.#asked -= asked;
    this.#begin();
  }

  /** Settles in a turn of the event loop that no other page has: between two pages, live messages have their turn. */
  turnOfEventLoop(): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#lastTurn;
  }

  #begin(): void {
    for (const queue of [this.#urgent, this.#waiting]) {
      for (const waiting of queue) {
        if (!this.#hasRoomFor(waiting)) return;
        const { bytes, begin } = waiting;
        queue.delete(waiting);
        this.#used += bytes;
        this.#asked += bytes;
        begin(new Turn(this, bytes));
      }
    }
  }

  /** A call that is larger than the budget waits until it has all of it. */
  #hasRoomFor({ bytes, isUrgent }: Waiting): boolean {
    if (this.#asked > 0 && this.#asked + bytes > this.#mostAsked) return false;
    return isUrgent || this.#used === 0 || this.#used + bytes <= this.#budget;
  }
}
