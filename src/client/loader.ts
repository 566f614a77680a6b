export interface LoadRequest {
  /** The channels to be loaded: all of them at first, later those that were reset. */
  channels: string[];
  /** Aborted if the answer is of no use any more. */
  signal: AbortSignal;
}

export interface LoadOptions {
  /** The page has the state already, as of the position where the stream begins: only resets load it. */
  isLoaded?: boolean;
}

export interface LoaderOptions<State> extends LoadOptions {
  channels: readonly string[];
  read(request: LoadRequest): Promise<State>;
  apply(state: State, channels: string[]): void;
  /** The channels are loaded, and nothing has to wait for this loader any more. */
  loaded(channels: string[]): void;
  failed(error: unknown): void;
  /** Loads after a reset begin at a random time up to this one (ms), because all pages are told at once. */
  spread: number;
}

const LONGEST_PAUSE = 30_000;

/**
 * Loads the state of some channels for the page, and again after resets.
 *
 * Invariant: a load of a channel begins after the stream was live and after the last reset of the channel, and while `isWaiting`, its
 * messages wait. So each message is in the state, or is given behind it, or both.
 */
export class Loader<State = unknown> {
  readonly #options: LoaderOptions<State>;
  /** The channels whose state is being loaded or has to be. */
  readonly #waiting: Set<string>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | undefined;
  #isLive = false;
  #failures = 0;

  constructor(options: LoaderOptions<State>) {
    this.#options = options;
    this.#waiting = new Set(options.isLoaded ? [] : options.channels);
  }

  /** The stream is live: whatever is published from now on is given. */
  begin(): void {
    if (this.#isLive) return;
    this.#isLive = true;
    if (this.#waiting.size > 0) this.#schedule(0);
  }

  isWaiting(channel: string): boolean {
    return this.#waiting.has(channel);
  }

  reset(channel: string): void {
    if (!this.#options.channels.includes(channel)) return;
    this.#waiting.add(channel);
    // What is being loaded may be older than the reset.
    this.#abort?.abort();
    if (this.#isLive) this.#schedule(Math.random() * this.#options.spread);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const channels = [...this.#waiting];
    this.#waiting.clear();
    this.#options.loaded(channels);
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#load();
    }, delay);
  }

  async #load(): Promise<void> {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const channels = [...this.#waiting];
    const { read, apply, loaded, failed } = this.#options;
    try {
      const state = await read({ channels, signal });
      if (signal.aborted) return;
      this.#failures = 0;
      apply(state, channels);
    } catch (error) {
      if (signal.aborted) return;
      failed(error);
      this.#schedule(Math.min(LONGEST_PAUSE, 1000 * 2 ** this.#failures++) * (0.5 + Math.random() / 2));
      return;
    }
    for (const channel of channels) this.#waiting.delete(channel);
    loaded(channels);
  }
}
