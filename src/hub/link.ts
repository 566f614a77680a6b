import { FOLLOWING, within } from '../patience.ts';

/**
 * The state of the connection on which the hub receives messages from the store.
 *
 * `down` (no connection) → `healing` (connected; missed messages are read, and messages that are received meanwhile are queued) → `open`.
 * If a message is missed while the link is open, it goes back to `healing`.
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

  /** Changes with each connection and each loss of one, so that work begun on an earlier connection is not finished on a later one. */
  get connectionNumber(): number {
    return this.#connectionNumber;
  }

  /** Since when the store has not answered (ms); `undefined` while it answers. */
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

  /** Opens the link. `untilOpen` does not settle before `settleWaiting`, because queued entries may still lead back to healing. */
  healed(): void {
    this.#state = 'open';
    this.answered();
  }

  answered(): void {
    this.#downSince = undefined;
  }

  /** The store does not answer, although its connection may be alive: if that lasts, it is as good as no connection. */
  unanswered(): void {
    this.#downSince ??= this.#now();
  }

  /** Settles when the link is open, or when `givenUp` is aborted. */
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

  /** Settles when `done` has settled and the link is open. Answers whether that took less than `FOLLOWING`. */
  async opensAfter(done: Promise<unknown> = Promise.resolve()): Promise<boolean> {
    const givenUp = new AbortController();
    const isOpen = await within(
      FOLLOWING,
      done.then(() => this.untilOpen(givenUp.signal)),
    );
    if (!isOpen) givenUp.abort();
    return isOpen;
  }

  /** Lets each pending `untilOpen` look at the state again. */
  settleWaiting(): void {
    for (const settle of this.#waiting) settle();
  }

  close(): void {
    this.#connectionNumber++;
    this.#state = 'down';
    this.settleWaiting();
  }
}
