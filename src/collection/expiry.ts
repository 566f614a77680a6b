import type { Failures } from '../repeats.ts';
import type { Collections } from './collections.ts';

/** How often records are looked for whose time is over (ms): they have to go within a second. */
const EVERY = 400;

export interface ExpiryOptions {
  collections: Pick<Collections, 'expire'>;
  /** The names of the collections with a ttl. */
  names: readonly string[];
  failures: Failures;
}

/** Destroys records whose time is over. Every gateway asks for that, and the store does it once. */
export class Expiry {
  readonly #options: ExpiryOptions;
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.names.length === 0) return;
    this.#timer ??= setInterval(() => void this.#ask(), EVERY).unref();
  }

  /** May be called twice. */
  stop(): void {
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { collections, names, failures } = this.#options;
    for (const name of names) {
      try {
        // One call destroys so many at most.
        while ((await collections.expire(name)) > 0);
      } catch (error) {
        failures.log('expiry_failed', error);
      }
    }
    this.#isAsking = false;
  }
}
