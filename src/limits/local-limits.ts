import type { Count, Limits, RateLimit } from './limits.ts';
import { Rate } from './rate.ts';

/** Counts in this process alone. */
export class LocalLimits implements Limits {
  count(_name: string, most: number): Count {
    return new LocalCount(most);
  }

  rate(_name: string, most: number, within: number): RateLimit {
    return new Rate(most, within);
  }
}

class LocalCount implements Count {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  acquire(key: string): boolean {
    if (this.isFull(key)) return false;
    this.#counts.set(key, this.#of(key) + 1);
    return true;
  }

  release(key: string): void {
    const left = this.#of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  isFull(key: string): boolean {
    return this.#of(key) >= this.#most;
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }
}
