import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import type { RateLimit } from './limits.ts';

/**
 * Limits how often something may happen within a time that begins with the first occurrence. Each key is counted by itself, and forgotten
 * when its time is over.
 */
export class Rate implements RateLimit {
  readonly #limiter: RateLimiterMemory;
  readonly #most: number;

  /** @param within in seconds */
  constructor(most: number, within: number) {
    this.#most = most;
    this.#limiter = new RateLimiterMemory({ points: most, duration: within, keyPrefix: '' });
  }

  take(key: string): Promise<number> {
    return this.#limiter.consume(key).then(nothing, waitOf);
  }

  async wait(key: string): Promise<number> {
    const found = await this.#limiter.get(key);
    return found && found.consumedPoints >= this.#most ? Math.max(0, found.msBeforeNext) : 0;
  }

  async has(key: string): Promise<boolean> {
    return (await this.#limiter.get(key)) !== null;
  }
}

function nothing(): number {
  return 0;
}

/** The limiter rejects with its answer, or with an error of its own. */
function waitOf(answer: RateLimiterRes | Error): number {
  if (answer instanceof Error) throw answer;
  return Math.max(1, answer.msBeforeNext);
}
