import { collectSoon } from './collect-soon.ts';

/** Bytes that readings may have at a time: asked of Redis, or read and not given to their readers yet. */
const BUDGET = 4 * 1024 * 1024;
/** Of those, bytes that are asked of Redis at a time: it answers one call after the other, and nobody else meanwhile. */
const IN_FLIGHT = 1024 * 1024;
/** A page is counted for so long at most (ms): a reader that is slow to take it must not keep others waiting. Its stream has bounds. */
const HELD = 250;
/** A page of at most so many bytes does not wait for a turn of the event loop of its own. */
const SMALL = 16 * 1024;

interface Waiting {
  bytes: number;
  isUrgent: boolean;
  begin: (turn: Turn) => void;
}

/** One call's part of the budget. */
export class Turn {
  readonly #queue: ReadingQueue;
  #bytes: number;
  /** Of those, what has not been answered yet. */
  #asked: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(queue: ReadingQueue, bytes: number) {
    this.#queue = queue;
    this.#bytes = bytes;
    this.#asked = bytes;
  }

  /** Redis has answered so many bytes. Settles when they may be given to the reader. */
  async answered(bytes: number): Promise<void> {
    this.#settle(bytes);
    collectSoon(bytes);
    if (bytes > SMALL) await this.#queue.turnOfEventLoop();
    if (bytes > 0) this.#timer = setTimeout(() => this.done(), HELD).unref();
  }

  /** What was read is no longer needed, or was not answered. May be called twice. */
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
 * Who may read from a backlog now: in the order in which they ask, and each reading asks for one page after the other, so that
 * many get their pages by turns. One budget for all readings of this process.
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
   * Settles when so many bytes may be asked for. Rejects when `signal` is aborted before. What is urgent comes first, and waits
   * for no reader that has its page still.
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

  /** One page a turn of the event loop is given to its reader: what comes live has its turn between them. */
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

  /** What is larger than the budget has it for itself. */
  #hasRoomFor({ bytes, isUrgent }: Waiting): boolean {
    if (this.#asked > 0 && this.#asked + bytes > this.#mostAsked) return false;
    return isUrgent || this.#used === 0 || this.#used + bytes <= this.#budget;
  }
}
