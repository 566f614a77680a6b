import type { RateLimit } from './limits.ts';
import type { ToPrimary, ToWorkerOfLimits } from './messages.ts';

/** How long the primary may take to answer (ms). */
const PATIENCE = 1000;

/** What the worker has of the present period of a key. */
interface Portion {
  left: number;
  /** The limit is reached: the primary has no more for this period. */
  isLast: boolean;
  /** When the period is over (ms). */
  until: number;
}

export interface WorkerRateOptions {
  name: string;
  most: number;
  /** How long a period is (s). */
  within: number;
  send: (message: ToPrimary) => void;
  /** Gives the number of the next question. */
  nextId: () => number;
  /** A monotonic clock (ms). */
  now?: () => number;
  patience?: number;
}

/** A worker's side of a rate over all workers: it uses up portions that `PrimaryRate` gives out. */
export class WorkerRate implements RateLimit {
  readonly #options: WorkerRateOptions;
  readonly #now: () => number;
  /** The portions by key, almost in the order in which they end. */
  readonly #portions = new Map<string, Portion>();
  /** The questions that wait for an answer, by key. */
  readonly #asking = new Map<string, { id: number; answered: Promise<void>; settle: () => void }>();

  constructor(options: WorkerRateOptions) {
    this.#options = options;
    this.#now = options.now ?? performance.now.bind(performance);
  }

  async take(key: string): Promise<number> {
    for (;;) {
      const portion = this.#current(key);
      if (portion && portion.left > 0) {
        portion.left--;
        // So it is known in time whether there is more.
        if (portion.left === 0 && !portion.isLast) void this.#ask(key);
        return 0;
      }
      if (portion?.isLast) return this.#remaining(portion);
      await this.#ask(key);
    }
  }

  async wait(key: string): Promise<number> {
    const portion = this.#current(key);
    return portion?.isLast && portion.left === 0 ? this.#remaining(portion) : 0;
  }

  async has(key: string): Promise<boolean> {
    return this.#current(key) !== undefined;
  }

  hear(message: ToWorkerOfLimits): void {
    if (message.do !== 'taken' || this.#asking.get(message.key)?.id !== message.id) return;
    this.#have(message.key, message.granted, message.left);
  }

  #ask(key: string): Promise<void> {
    const asking = this.#asking.get(key);
    if (asking) return asking.answered;
    this.#forget();
    const { name, most, within, send, nextId, patience = PATIENCE } = this.#options;
    const id = nextId();
    let settle!: () => void;
    const answered = new Promise<void>((resolve) => {
      // If the primary does not answer in time, this worker allows itself the whole limit for one period, so that a primary that hangs
      // stops no client.
      const timer = setTimeout(() => this.#have(key, most, within * 1000), patience);
      settle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#asking.set(key, { id, answered, settle });
    send({ do: 'take', name, key, id });
    return answered;
  }

  /** @param left how long the portion counts (ms) */
  #have(key: string, granted: number, left: number): void {
    const before = this.#current(key);
    this.#portions.delete(key);
    this.#portions.set(key, {
      left: (before?.left ?? 0) + granted,
      isLast: granted === 0,
      until: this.#now() + left,
    });
    const asking = this.#asking.get(key);
    this.#asking.delete(key);
    asking?.settle();
  }

  #current(key: string): Portion | undefined {
    const portion = this.#portions.get(key);
    return portion && portion.until > this.#now() ? portion : undefined;
  }

  #remaining({ until }: Portion): number {
    return Math.max(1, Math.ceil(until - this.#now()));
  }

  #forget(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#portions) {
      if (until > now) return;
      this.#portions.delete(key);
    }
  }
}
