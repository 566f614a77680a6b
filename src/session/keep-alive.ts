import type { Session } from './session.ts';
import { TimerWheel } from './timer-wheel.ts';

/** Sessions that are visited before the event loop gets a turn; a noop is a write of 8 µs. */
const SLICE = 500;

export interface KeepAliveOptions {
  /** A stream gets a noop if nothing was sent for this long (ms). */
  noopInterval: number;
  /** The shortest time between two visits (ms). */
  step: number;
  /** The time by a monotonic clock (ms). */
  now: () => number;
  /** The date (ms since 1970). */
  date: () => number;
}

/** Sends noops to streams that are silent, and ends those whose credential has expired. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  /** When each session may need a noop, or its credential may have expired. */
  readonly #due: TimerWheel<Session>;
  /** When the credential of a session expires (ms since 1970). A session without an entry has none that expires. */
  readonly #expires = new Map<Session, number>();

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#due = new TimerWheel(options.step, options.now());
  }

  /** @param expires when the session's credential expires (ms since 1970) */
  add(session: Session, expires: number | undefined): void {
    if (expires !== undefined) this.#expires.set(session, expires);
    this.#look(session, this.#options.now() + this.#options.noopInterval);
  }

  delete(session: Session): void {
    this.#due.delete(session);
    this.#expires.delete(session);
  }

  /** @param isOpen whether the session has not ended while others were visited */
  async turn(isOpen: (session: Session) => boolean): Promise<void> {
    const { noopInterval } = this.#options;
    const now = this.#options.now();
    let seen = 0;
    for (const session of this.#due.take(now)) {
      if (!isOpen(session)) continue;
      if (this.#lifeOf(session) <= 0) session.close('expired');
      else {
        const due = session.connection.lastSent + noopInterval;
        if (due <= now) session.noop();
        this.#look(session, due > now ? due : session.opened ? now + noopInterval : now);
      }
      if (++seen % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Makes the session due at this time (ms), or when its credential expires, if that is sooner. */
  #look(session: Session, at: number): void {
    this.#due.add(session, Math.min(at, this.#options.now() + this.#lifeOf(session)));
  }

  /**
   * How long the credential of the session is still valid (ms). It is computed from the date at each visit, because the monotonic clock
   * stands still while the machine sleeps.
   */
  #lifeOf(session: Session): number {
    const expires = this.#expires.get(session);
    return expires === undefined ? Number.POSITIVE_INFINITY : expires - this.#options.date();
  }
}
