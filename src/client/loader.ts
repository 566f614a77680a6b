export interface LoadRequest {
  /** The channels to be loaded: all of them at first, later those that were reset. */
  channels: string[];
  /** Aborted as soon as the answer would be of no use any more. */
  signal: AbortSignal;
}

export interface LoadOptions {
  /** The page has the state already, as of the position where the stream begins: only resets load it. */
  isLoaded?: boolean;
}

export interface LoaderOptions<State> extends LoadOptions {
  channels: readonly string[];
  read(request: LoadRequest): Promise<State>;
  /** Puts the state on the page; if it gives a promise, the messages wait for it. */
  apply(state: State, channels: string[]): unknown;
  /** The channels are loaded, and nothing has to wait for this loader any more. */
  loaded(channels: string[]): void;
  failed(error: unknown): void;
  /** Loads after a reset begin at a random time up to this one (ms), because all pages are told at once. */
  spread: number;
}

const LONGEST_PAUSE = 30_000;
/** A load that takes longer has failed (ms). */
const LIMIT = 30_000;
/** Resets of one moment come one after the other, so they are gathered for at least this long (ms). */
const GATHERING = 100;

/**
 * Loads the state of some channels for the page, and again after resets.
 *
 * Invariant: a load of a channel begins after the stream was live and after the last reset of the channel, and while `isWaiting`, its
 * messages wait. So each message is in the state, or is given after it, or both.
 *
 * The anchor is the stream's `ok` and not `GET /position`. Both come before the state is read, and one of them is enough: whatever is
 * published after `ok` is held here, and what was published before it is in the state, because it was written before it was published. A
 * position would cost a request more, and would still need the messages after it to be held. Once there was an `ok`, the client comes back
 * with its position, so that a load may begin while the line is lost.
 */
export class Loader<State = unknown> {
  readonly #options: LoaderOptions<State>;
  /** The channels whose state is being loaded or has to be. */
  readonly #waiting: Set<string>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Aborts the load that is under way, or was the last one. */
  #abort = new AbortController();
  #isLive = false;
  #failures = 0;

  constructor(options: LoaderOptions<State>) {
    this.#options = options;
    this.#waiting = new Set(options.isLoaded ? [] : options.channels);
  }

  /** The stream is live, or live again: whatever is published from now on is given. */
  begin(): void {
    if (this.#isLive && this.#failures === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Loads that have failed while the line was lost are tried again soon, but not by all pages at once.
    this.#schedule(this.#isLive ? this.#spread() : 0);
    this.#isLive = true;
    this.#failures = 0;
  }

  isWaiting(channel: string): boolean {
    return this.#waiting.has(channel);
  }

  reset(channel: string): void {
    if (!this.#options.channels.includes(channel)) return;
    this.#waiting.add(channel);
    // The state that is being loaded may be older than the reset.
    this.#abort.abort();
    if (this.#isLive) this.#schedule(GATHERING + this.#spread());
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
    const channels = [...this.#waiting];
    this.#waiting.clear();
    this.#options.loaded(channels);
  }

  #spread(): number {
    return Math.random() * this.#options.spread;
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#waiting.size > 0) void this.#load();
    }, delay);
  }

  async #load(): Promise<void> {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const channels = [...this.#waiting];
    const { read, apply, loaded, failed } = this.#options;
    const fail = (error: unknown): void => {
      if (signal.aborted) return;
      this.#abort.abort();
      failed(error);
      this.#schedule(Math.min(LONGEST_PAUSE, 1000 * 2 ** this.#failures++) * (1 - Math.random() / 2));
    };
    const limit = setTimeout(fail, LIMIT, new Error('no state in time'));
    try {
      const state = await read({ channels, signal });
      clearTimeout(limit);
      if (signal.aborted) return;
      this.#failures = 0;
      // If `apply` fails, it is the page's mistake, and to load the same state again would not mend it.
      await new Promise((done) => done(apply(state, channels))).catch(failed);
      if (signal.aborted) return;
      for (const channel of channels) this.#waiting.delete(channel);
      loaded(channels);
    } catch (error) {
      clearTimeout(limit);
      fail(error);
    }
  }
}
