/** The least wait before the first try after a lost connection, and the longest wait before any (ms). */
const FIRST = 25;
const LAST = 1000;
/** The longest wait before the first try, and before any, if Redis refuses (ms): an operator has to change something there. */
const FIRST_REFUSED = 250;
const LAST_REFUSED = 8000;
/** How many times a read-only server is left at once; after that, pauses come between, which grow. */
const FREE_LEAVES = 2;
/** If no server has been read-only for so long (ms), leaves are counted anew: the server is another one, or has recovered. */
const FORGOTTEN = 30_000;

/** Waits that double up to a limit; each is chosen at random between half of that and all of it. */
export class Backoff {
  readonly #first: number;
  readonly #last: number;
  #tries = 0;

  constructor(first = FIRST_REFUSED, last = LAST_REFUSED) {
    this.#first = first;
    this.#last = last;
  }

  /** How long to wait before the next try (ms). */
  next(): number {
    const longest = Math.min(this.#first * 2 ** Math.min(this.#tries++, 20), this.#last);
    return longest * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}

/**
 * Decides when a connection is tried again, by how it ended. A Redis that cannot be reached is tried about once a second, because it
 * may be back at any moment; one that refuses the connection is tried less and less often.
 */
export class Pace {
  readonly #unreached = new Backoff(2 * FIRST, LAST);
  readonly #refused = new Backoff();
  readonly #now: () => number;
  #wasRefused = false;
  #leaves = 0;
  #leftAt = Number.NEGATIVE_INFINITY;
  #readOnlyAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Called when the connection has failed. `isRefusal`: Redis has answered, with an error. */
  failed(isRefusal: boolean): void {
    this.#wasRefused = isRefusal;
  }

  reached(): void {
    this.#unreached.reset();
    this.#refused.reset();
    this.#wasRefused = false;
  }

  /** How long to wait before the next try (ms). */
  next(): number {
    const wait = this.#wasRefused ? this.#refused.next() : this.#unreached.next();
    // The next failure reports again whether it is a refusal.
    this.#wasRefused = false;
    return wait;
  }

  /**
   * Whether to leave a server that has just replied READONLY, in order to look for its master. If the address leads to a
   * replica, leaving each time would open connections without end.
   */
  mayLeave(): boolean {
    const now = this.#now();
    if (now - this.#readOnlyAt > FORGOTTEN) this.#leaves = 0;
    this.#readOnlyAt = now;
    const pause = this.#leaves < FREE_LEAVES ? 0 : Math.min(1000 * 2 ** (this.#leaves - FREE_LEAVES), LAST_REFUSED);
    if (now - this.#leftAt < pause) return false;
    this.#leaves++;
    this.#leftAt = now;
    return true;
  }
}
