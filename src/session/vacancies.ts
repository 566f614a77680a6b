import { LEAVING } from '../patience.ts';

/** Streams that wait for another stream of their user to end. */
export class Vacancies {
  readonly #most: number;
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @param most how many streams of a user may wait */
  constructor(most: number) {
    this.#most = most;
  }

  /** Settles when a stream of the user has ended for which no other one waits, or after `LEAVING`; at once if too many wait. */
  wait(user: string): Promise<void> {
    const waiting = this.#waiting.get(user) ?? new Set();
    if (waiting.size >= this.#most) return Promise.resolve();
    this.#waiting.set(user, waiting);
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        waiting.delete(end);
        if (waiting.size === 0) this.#waiting.delete(user);
        resolve();
      };
      const timer = setTimeout(end, LEAVING);
      waiting.add(end);
    });
  }

  /** A stream of the user has ended: the one that has waited longest may follow. */
  vacated(user: string): void {
    for (const end of this.#waiting.get(user) ?? []) {
      end();
      return;
    }
  }
}
