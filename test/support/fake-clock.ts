/** A timer that a test has to let run. */
export interface FakeTimer {
  at: number;
  /** Of an interval. */
  every?: number | undefined;
  run: () => void;
}

/** A clock that stands still until a test lets it go, and the timers that go by it. */
export class FakeClock<Timer extends FakeTimer = FakeTimer> {
  now = 0;
  protected readonly waiting = new Set<Timer>();

  /** Lets promises run, and each timer that is due by then, at its time. */
  async pass(milliseconds = 0): Promise<void> {
    const until = this.now + milliseconds;
    for (;;) {
      for (let i = 0; i < 12; i++) await undefined;
      const [next] = [...this.waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      if (next.every === undefined) this.waiting.delete(next);
      else next.at = this.now + next.every;
      next.run();
    }
    this.now = until;
  }
}
