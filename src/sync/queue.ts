/** Where a queue and a client write what went wrong; pino's loggers are such. */
export interface Log {
  error(fields: Record<string, unknown>, text?: string): void;
}

export interface QueueOptions {
  log: Log;
  /** The first pause after a backlog that could not be loaded (ms), and the longest. */
  pauses?: { first: number; longest: number };
}

const PAUSES = { first: 250, longest: 10_000 };

/** The backlog is not loaded yet: a server answers 503. */
export class NotReady extends Error {}

/**
 * Sends batches to subscribers. Each one is first given the backlog, which is all that was sent before, and then every batch, in their order.
 * What the backlog is, and where it comes from at the start, is up to the class that extends this one.
 */
export abstract class PubSubQueue<Batch> {
  readonly #options: QueueOptions;
  readonly #subscribers = new Set<(batch: Batch) => void>();
  #isReady = false;
  #loading: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Loads what was sent before this queue was started. If it rejects, it is called again. */
  protected abstract loadBacklog(signal: AbortSignal): Promise<void>;

  /** What a new subscriber is given first. */
  protected abstract backlog(): Batch;

  get isReady(): boolean {
    return this.#isReady;
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** Loads the backlog, again and again until that works. Settles then, or when the queue is closed. */
  start(): Promise<void> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  close(): void {
    this.#closing.abort();
    this.#isReady = false;
    this.#subscribers.clear();
  }

  /**
   * @returns ends the subscription
   * @throws NotReady
   */
  subscribe(listener: (batch: Batch) => void): () => void {
    if (!this.#isReady) throw new NotReady('the backlog is not loaded yet');
    listener(this.backlog());
    return this.follow(listener);
  }

  /** Subscribes without the backlog. */
  follow(listener: (batch: Batch) => void): () => void {
    this.#subscribers.add(listener);
    return () => {
      this.#subscribers.delete(listener);
    };
  }

  /** Sends a batch to all subscribers. The error of one is logged, and costs the others nothing. */
  protected post(batch: Batch): void {
    for (const listener of [...this.#subscribers]) {
      try {
        listener(batch);
      } catch (error) {
        this.#options.log.error({ event: 'subscriber_failed', err: error });
      }
    }
  }

  /** The backlog is not right any more, and is loaded again. Subscribers stay. */
  protected reload(): Promise<void> {
    this.#isReady = false;
    this.#loading = this.#load();
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { log, pauses = PAUSES } = this.#options;
    const { signal } = this.#closing;
    for (let pause = pauses.first; !signal.aborted; pause = Math.min(2 * pause, pauses.longest)) {
      try {
        await this.loadBacklog(signal);
        this.#isReady = !signal.aborted;
        return;
      } catch (error) {
        // One line: while the store is away, the same would be written again and again.
        if (pause === pauses.first) log.error({ event: 'backlog_failed', err: error }, 'it is tried again');
        await new Promise((resolve) => setTimeout(resolve, pause).unref());
      }
    }
  }
}
