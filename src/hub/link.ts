/**
 * The connection on which the hub hears the store.
 *
 * `down` (there is none) → `healing` (there is one; what was missed is read, and what is heard meanwhile is held) → `open`. What was
 * missed while open leads back to `healing`.
 */
export class Link {
  #state: 'down' | 'healing' | 'open' = 'down';
  #connectionNumber = 0;
  #downSince: number | undefined;
  readonly #now: () => number;
  readonly #waiting = new Set<() => void>();

  constructor(now: () => number) {
    this.#now = now;
    this.#downSince = now();
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Counts connections: what an earlier one began, a later one must not finish. */
  get connectionNumber(): number {
    return this.#connectionNumber;
  }

  /** Since when the store has not answered (ms); `undefined` while all is well. */
  get downSince(): number | undefined {
    return this.#downSince;
  }

  connected(): void {
    this.#connectionNumber++;
    this.#state = 'healing';
  }

  lost(): void {
    this.#connectionNumber++;
    this.#state = 'down';
    this.unanswered();
  }

  heal(): void {
    this.#state = 'healing';
  }

  /** Nobody who waits is told yet: what is held may lead back to healing. */
  healed(): void {
    this.#state = 'open';
    this.answered();
  }

  answered(): void {
    this.#downSince = undefined;
  }

  /** The store does not answer, on a connection that may be alive: as good as none, if that lasts. */
  unanswered(): void {
    this.#downSince ??= this.#now();
  }

  /** Settles when it is open, or given up. */
  async untilOpen(givenUp: AbortSignal): Promise<void> {
    while (!this.isOpen && !givenUp.aborted) {
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          this.#waiting.delete(settle);
          resolve();
        };
        this.#waiting.add(settle);
        givenUp.addEventListener('abort', settle, { once: true });
      });
    }
  }

  /** Those who wait look again. */
  settleWaiting(): void {
    for (const settle of this.#waiting) settle();
  }

  close(): void {
    this.#connectionNumber++;
    this.#state = 'down';
    this.settleWaiting();
  }
}
