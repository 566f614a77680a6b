import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type Failures, isExpected } from '../repeats.ts';
import type { Claimed, PollStore, Progress } from './poll-store.ts';

/** How long a poll waits for a message (ms): less than the 25 s after which browsers that speak the protocol give up. */
const PATIENCE = 24_000;
/** A poll that waits keeps its session this often (ms), and looks for messages that it was not told of. */
const TOUCH = 15_000;
/** How often a poll tells the store of its end. Later than `LEASE` in lua/polls.lua it is not heard any more. */
const ENDINGS = 5;
/** How long a poll that waits for a store that is away waits before it asks again (ms). */
const AGAIN = 500;

export interface PollOptions {
  store: PollStore;
  failures: Pick<Failures, 'log'>;
  session: string;
  /** The number of the last batch that the browser has named; empty: none. */
  got: string;
  /** What a stream has brought so far, if the session carries one. */
  progress?: (() => Progress | undefined) | undefined;
}

/** How a poll has ended. `nothing`: there was no message, or another poll took over. */
export type Outcome = { kind: 'unknown' } | { kind: 'nothing' } | { kind: 'batch'; number: number; text: string };

/** One request of a browser that waits for messages of its session. */
export class Poll {
  readonly session: string;
  readonly #options: PollOptions;
  readonly #name = randomBytes(8).toString('hex');
  readonly #until = performance.now() + PATIENCE;
  #hasNews = false;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(options: PollOptions) {
    this.#options = options;
    this.session = options.session;
  }

  /** Makes the poll ask the store again. */
  look(): void {
    this.#hasNews = true;
    this.#wake();
  }

  /** Ends the poll: with nothing, unless it has a batch already. */
  close(): void {
    this.#isOver = true;
    this.#wake();
  }

  /**
   * Settles when the poll has ended. A batch belongs to the caller then, who calls `end`.
   *
   * @throws SisyphusError if the store does not answer the first call
   */
  async run(): Promise<Outcome> {
    for (let isFirst = true; ; isFirst = false) {
      this.#hasNews = false;
      const claimed = await this.#claim(isFirst);
      if (claimed.kind === 'batch' || claimed.kind === 'unknown') return claimed;
      if (claimed.kind === 'older') return { kind: 'nothing' };
      await this.#pause(claimed.again);
      if (this.#isOver || performance.now() >= this.#until) {
        // A claim may have been carried out although its answer was lost.
        void this.end('back');
        return { kind: 'nothing' };
      }
    }
  }

  /** Says what has become of the batch. If the store cannot be told, it takes the batch for written after a while. Never rejects. */
  async end(how: 'written' | 'back'): Promise<void> {
    const { store, session, failures } = this.#options;
    for (let i = 1; i <= ENDINGS; i++) {
      try {
        await store.end(session, this.#name, how);
        return;
      } catch (error) {
        failures.log('poll_end_failed', error);
        await wait(AGAIN);
      }
    }
  }

  async #claim(isFirst: boolean): Promise<Claimed> {
    const { store, session, got, progress } = this.#options;
    try {
      return await store.claim({ session, poll: this.#name, isFirst, got, progress: progress?.() });
    } catch (error) {
      // The claim may have been carried out.
      if (isFirst) void this.end('back');
      if (isFirst || !isExpected(error)) throw error;
      return { kind: 'wait', again: AGAIN };
    }
  }

  async #pause(again = TOUCH): Promise<void> {
    if (this.#hasNews || this.#isOver) return;
    const longest = Math.min(again, TOUCH, this.#until - performance.now());
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}
