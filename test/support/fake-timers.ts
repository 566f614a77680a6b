import { FakeClock, type FakeTimer } from './fake-clock.ts';

interface Timer extends FakeTimer {
  unref: () => Timer;
}

/** Timers that run when a test says that time passes. Node's own mock of them loses timers that are cleared after they ran. */
export class FakeTimers extends FakeClock<Timer> {
  readonly #real = { setTimeout, clearTimeout, setImmediate };

  /** From here on every timer that anybody sets is one of these. */
  install(): void {
    const set = (run: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]): Timer => {
      const timer: Timer = { at: this.now + milliseconds, run: () => run(...args), unref: () => timer };
      this.waiting.add(timer);
      return timer;
    };
    const clear = (timer: Timer): boolean => this.waiting.delete(timer);
    const soon = (run: (...args: unknown[]) => void, ...args: unknown[]): Timer => set(run, 0, ...args);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear, setImmediate: soon });
  }

  restore(): void {
    Object.assign(globalThis, this.#real);
  }
}
