/** Repeats work at intervals that vary by 10 % either way, so that gateways do not all do it at once. */
export class Rounds {
  readonly #onFailure: (error: Error) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isStopped = false;

  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  /** `every`: the interval until the next run (ms), asked before each run. */
  repeat(every: () => number, work: () => Promise<void>): void {
    if (this.#isStopped) return;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        work()
          .catch(this.#onFailure)
          .finally(() => this.repeat(every, work));
      },
      every() * (0.9 + Math.random() * 0.2),
    );
    this.#timers.add(timer);
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/**
 * Runs the work once at a time, and once more for all requests that came in the meantime. That bounds it, because every client of
 * Redis that may PUBLISH can request it.
 */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  #isRunning = false;
  #isAskedAgain = false;

  /** `work` never rejects. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  run(): void {
    if (this.#isRunning) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isRunning = true;
    void this.#work().finally(() => {
      const again = this.#isAskedAgain;
      this.#isRunning = this.#isAskedAgain = false;
      if (again) this.run();
    });
  }
}
