import type { RightsReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../logger.ts';
import { Failures } from '../repeats.ts';
import { Ghosts, type GhostsOptions } from './ghosts.ts';
import { KeepAlive } from './keep-alive.ts';
import { Rereading } from './rereading.ts';
import type { Session } from './session.ts';

/** The longest time between two turns (ms): a stream ends by so much after its credential, and that must be within a second. */
const TURN = 500;

export interface UpkeepOptions {
  sessions: ReadonlySet<Session>;
  hub: Pick<Hub, 'refresh'>;
  backlog: RightsReader;
  logger: Logger;
  /** A stream gets a noop if nothing was sent for this long (ms). */
  noopInterval: number;
  /** The time by a monotonic clock (ms). */
  now: () => number;
  /** The date (ms since 1970). */
  date: () => number;
  kernelQueues: GhostsOptions['read'];
}

/** What is done for all sessions again and again, by one timer: noops, ends of credentials, lists that are read again, lost readers. */
export class Upkeep {
  readonly ghosts: Ghosts;
  readonly #sessions: ReadonlySet<Session>;
  readonly #failures: Failures;
  /** Interval of the timer (ms). */
  readonly #period: number;
  readonly #keepAlive: KeepAlive;
  /** The sessions that need `sweep`. */
  readonly #unsettled = new Set<Session>();
  readonly #rereading: Rereading;
  #timer: NodeJS.Timeout | undefined;

  constructor({ sessions, hub, backlog, logger, noopInterval, now, date, kernelQueues: read }: UpkeepOptions) {
    this.#sessions = sessions;
    this.#failures = new Failures(logger);
    this.#period = Math.min(TURN, noopInterval / 10);
    this.#keepAlive = new KeepAlive({ noopInterval, step: this.#period / 10, now, date });
    this.ghosts = new Ghosts({ noopInterval, now, read });
    this.#rereading = new Rereading({ hub, backlog, sessions });
  }

  /** @param expires when the session's credential expires (ms since 1970) */
  add(session: Session, expires: number | undefined): void {
    session.onHold = () => this.#unsettled.add(session);
    this.#unsettled.add(session);
    this.#keepAlive.add(session, expires);
  }

  delete(session: Session): void {
    this.#unsettled.delete(session);
    this.#keepAlive.delete(session);
  }

  start(): void {
    const turn = (): void => {
      this.#turn()
        .catch((error: unknown) => this.#failures.log('sweep_failed', error))
        .finally(() => {
          if (this.#timer) this.#timer = setTimeout(turn, this.#period).unref();
        });
    };
    this.#timer = setTimeout(turn, this.#period).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Reads all lists again, after a lost connection to Redis. Never rejects: a failure is logged, and each list has its turn anyway. */
  async rereadAll(): Promise<void> {
    await this.#rereading.all().catch((error: unknown) => this.#failures.log('reread_failed', error));
  }

  async #turn(): Promise<void> {
    for (const session of this.#unsettled) {
      session.sweep();
      if (session.isSettled) this.#unsettled.delete(session);
    }
    await this.#keepAlive.turn((session) => this.#sessions.has(session));
    if (this.ghosts.isDue) void this.#closeGhosts();
    // Not awaited: if Redis does not answer, the sessions must still get their noops. An answer that is lost with a connection does not
    // matter, because `rereadAll` reads all lists again after a reconnect.
    this.#rereading.turn(this.#period).catch(() => undefined);
  }

  /** Closes streams whose readers have disappeared. */
  async #closeGhosts(): Promise<void> {
    for (const session of await this.ghosts.find(this.#sessions)) session.close('gone');
  }
}
