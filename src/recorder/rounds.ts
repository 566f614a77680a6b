/** Work that is done again and again, a little irregularly, so that gateways do not all do it at once. */
export class Rounds {
  readonly #onFailure: (error: Error) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isStopped = false;

  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  /** `every`: how long until the next time (ms), looked at each time. */
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

/** Work of which one runs at a time, and once more for all that asked meanwhile: anybody who may PUBLISH can ask for it. */
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
