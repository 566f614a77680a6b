interface Timer {
  at: number;
  run: () => void;
  unref: () => Timer;
}

/** Timers that run when a test says that time passes. Node's own mock of them loses timers that are cleared after they ran. */
export class FakeTimers {
  now = 0;
  readonly #real = { setTimeout, clearTimeout, setImmediate };
  readonly #timers = new Set<Timer>();

  /** From here on every timer that anybody sets is one of these. */
  install(): void {
    const set = (run: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]): Timer => {
      const timer: Timer = { at: this.now + milliseconds, run: () => run(...args), unref: () => timer };
      this.#timers.add(timer);
      return timer;
    };
    const clear = (timer: Timer): boolean => this.#timers.delete(timer);
    const soon = (run: (...args: unknown[]) => void, ...args: unknown[]): Timer => set(run, 0, ...args);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear, setImmediate: soon });
  }

  restore(): void {
    Object.assign(globalThis, this.#real);
  }

  /** Lets promises run, and each timer that is due by then, at its time. */
  async pass(milliseconds = 0): Promise<void> {
    const until = this.now + milliseconds;
    for (;;) {
      for (let i = 0; i < 12; i++) await undefined;
      const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = until;
  }
}
