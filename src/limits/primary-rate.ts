/**
 * A worker that uses a limit alone asks at least this often in a period. So at most 1/8 of the limit lies with workers that do not use it, or
 * one for each worker if the limit is small.
 */
const ASKS = 8;

interface Period {
  /** How often it may still happen. */
  left: number;
  /** When the period is over (ms). */
  until: number;
}

export interface PrimaryRateOptions {
  most: number;
  /** How long a period is (ms). */
  within: number;
  workers: number;
  /** A monotonic clock (ms). */
  now?: () => number;
}

/**
 * The primary's side of a rate over all workers: it gives out each period in portions, on request.
 *
 * Invariant: within the primary's periods it happens at most `most` times. What a worker has of a portion when the limit is reached is lost
 * to the others: at most an eighth of the limit in all, or one for each worker if the limit is that small.
 */
export class PrimaryRate {
  readonly #options: PrimaryRateOptions;
  readonly #portion: number;
  readonly #now: () => number;
  /** The periods by key, in the order in which they end. */
  readonly #periods = new Map<string, Period>();

  constructor(options: PrimaryRateOptions) {
    this.#options = options;
    this.#portion = Math.max(1, Math.floor(options.most / (ASKS * options.workers)));
    this.#now = options.now ?? performance.now.bind(performance);
  }

  /** @returns how often it may happen, and how long that counts (ms) */
  take(key: string): { granted: number; left: number } {
    const now = this.#now();
    for (const [old, { until }] of this.#periods) {
      if (until > now) break;
      this.#periods.delete(old);
    }
    const { most, within } = this.#options;
    const period = this.#periods.get(key) ?? { left: most, until: now + within };
    this.#periods.set(key, period);
    const granted = Math.min(this.#portion, period.left);
    period.left -= granted;
    return { granted, left: period.until - now };
  }
}
