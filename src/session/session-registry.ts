import type { RightsReader } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import { REFUSAL_OF } from '../connection/refusal.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../logger.ts';
import { isAfter } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import { Ghosts, type GhostsOptions } from './ghosts.ts';
import type { Session } from './session.ts';
import { TimerWheel } from './timer-wheel.ts';

/** The list of every user is read again this often (ms), a part of them each second. */
const REREAD = 30_000;
/** Sessions looked at in one go; a noop is a write of 8 µs. */
const SLICE = 500;

export interface RegistryOptions {
  hub: Pick<Hub, 'refresh'>;
  backlog: RightsReader;
  counters: Counters;
  logger: Logger;
  noopInterval: number;
  maxStreams: number;
  maxStreamsPerUser: number;
  /** Of the clock that never goes back (ms). */
  now?: () => number;
  /** Of the clock that tells the date (ms since 1970). */
  date?: () => number;
  kernelQueues?: GhostsOptions['read'];
}

/** All sessions of this process, and what is done for all of them by one timer. */
export class SessionRegistry {
  /** Why a reader was turned away last. */
  turnedAwayFor = '';
  readonly #options: RegistryOptions;
  readonly #failures: Failures;
  readonly #sessions = new Set<Session>();
  readonly #perUser = new Map<string, number>();
  /** How often is looked for what is to be done (ms). */
  readonly #period: number;
  readonly #now: () => number;
  readonly #date: () => number;
  /** When each may have been silent for too long, or its credential may have ended. */
  readonly #due: TimerWheel<Session>;
  readonly #unsettled = new Set<Session>();
  readonly #ghosts: Ghosts;
  /** When the credential of a session ends, if it does (ms since 1970). */
  readonly #expires = new Map<Session, number>();
  /** When a stream of a user last made room for another one (ms). */
  readonly #madeRoom = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #rereading: Session[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
    this.#period = Math.min(1000, options.noopInterval / 10);
    this.#now = options.now ?? performance.now.bind(performance);
    this.#date = options.date ?? Date.now;
    this.#due = new TimerWheel(this.#period / 10, this.#now());
    this.#ghosts = new Ghosts({ noopInterval: options.noopInterval, now: this.#now, read: options.kernelQueues });
  }

  get streams(): number {
    return this.#sessions.size;
  }

  get users(): number {
    return this.#perUser.size;
  }

  /** Whether there is room for one more. Where there is none, it is looked for streams whose readers have gone. */
  admits(user: string): boolean {
    const { maxStreams, maxStreamsPerUser } = this.#options;
    const isFull = this.#sessions.size >= maxStreams;
    if (!isFull && (this.#perUser.get(user) ?? 0) < maxStreamsPerUser) return true;
    this.#ghosts.hurry();
    return !isFull && !this.#ghosts.canTell && this.#makeRoom(user);
  }

  /** @param expires when its credential ends (ms since 1970) */
  add(session: Session, expires?: number): void {
    this.#sessions.add(session);
    this.#perUser.set(session.user, (this.#perUser.get(session.user) ?? 0) + 1);
    session.connection.onClose = (reason) => this.#remove(session, reason);
    session.onHold = () => this.#unsettled.add(session);
    this.#unsettled.add(session);
    if (expires !== undefined) this.#expires.set(session, expires);
    this.#look(session, this.#now() + this.#options.noopInterval);
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

  /** The store does not give what the reader needs to begin. */
  turnAway(session: Session, reason: string): void {
    this.turnedAwayFor = reason;
    session.close('redis');
  }

  closeAll(reason: CloseReason): void {
    for (const session of [...this.#sessions]) session.close(reason);
  }

  /** Sends everybody elsewhere within so many milliseconds, evenly, in no particular order. */
  async drain(within: number): Promise<void> {
    const sessions = [...this.#sessions];
    for (let i = sessions.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [sessions[i], sessions[j]] = [sessions[j]!, sessions[i]!];
    }
    const began = Date.now();
    for (const [i, session] of sessions.entries()) {
      const wait = began + (within * i) / sessions.length - Date.now();
      if (wait > 5) await new Promise((resolve) => setTimeout(resolve, wait));
      session.close('shutdown');
    }
    this.closeAll('shutdown');
  }

  /** Reads all lists again, after a lost connection to Redis. */
  async rereadAll(): Promise<void> {
    await this.#reread([...this.#sessions]);
  }

  async #turn(): Promise<void> {
    for (const session of this.#unsettled) {
      session.sweep();
      if (session.isSettled) this.#unsettled.delete(session);
    }
    await this.#keepAlive();
    if (this.#ghosts.isDue) void this.#closeGhosts();
    if (this.#rereading.length === 0) this.#rereading = [...this.#sessions];
    const count = Math.ceil(((this.#sessions.size * this.#period) / REREAD) * (0.75 + Math.random() / 2));
    // Not waited for: a Redis that does not answer must not keep others from their noop. What is lost with a connection
    // is read again after it.
    this.#reread(this.#rereading.splice(0, count)).catch(() => undefined);
  }

  /** Sends noops, and ends sessions whose credential has ended. */
  async #keepAlive(): Promise<void> {
    const now = this.#now();
    let seen = 0;
    for (const session of this.#due.take(now)) {
      // It may have ended while others had their turn.
      if (!this.#sessions.has(session)) continue;
      if (this.#lifeOf(session) <= 0) session.close('expired');
      else {
        const due = session.connection.lastSent + this.#options.noopInterval;
        if (due <= now) session.noop();
        this.#look(session, due > now ? due : session.opened ? now + this.#options.noopInterval : now);
      }
      if (++seen % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Plans the next look at the session: at this time (ms), or sooner if its credential ends before. */
  #look(session: Session, at: number): void {
    this.#due.add(session, Math.min(at, this.#now() + this.#lifeOf(session)));
  }

  /**
   * How long the credential of the session still holds (ms). It goes by the date at each look, because the clock that never goes back
   * stands still while the machine sleeps.
   */
  #lifeOf(session: Session): number {
    const expires = this.#expires.get(session);
    return expires === undefined ? Number.POSITIVE_INFINITY : expires - this.#date();
  }

  async #closeGhosts(): Promise<void> {
    for (const session of await this.#ghosts.find(this.#sessions)) session.close('gone');
  }

  /**
   * Where nobody can tell which readers have gone, the oldest stream of the user ends; its reader comes back if it lives. Not
   * oftener than two noops: the tabs of a user that has too many would drive each other out.
   */
  #makeRoom(user: string): boolean {
    const last = this.#madeRoom.get(user) ?? Number.NEGATIVE_INFINITY;
    if (this.#now() - last < 2 * this.#options.noopInterval) return false;
    for (const session of this.#sessions) {
      if (session.user !== user) continue;
      this.#madeRoom.set(user, this.#now());
      session.close('capacity');
      return true;
    }
    return false;
  }

  /** Many lists in one round trip; only what has changed is looked at again. */
  async #reread(sessions: Session[]): Promise<void> {
    const open = sessions.filter((session) => this.#sessions.has(session));
    if (open.length === 0) return;
    const rights = await this.#options.backlog.rights(
      open.map(({ user, version, size }) => ({ user, known: version, size })),
    );
    if (rights.every((changed, i) => !changed || changed.version === open[i]!.version)) return;
    // What a message or a note tells is applied when it is heard: all of them up to these versions have been heard then.
    await this.#options.hub.refresh();
    for (const [i, changed] of rights.entries()) {
      if (changed && isAfter(changed.version, open[i]!.version)) open[i]!.refresh();
    }
  }

  #remove(session: Session, reason: CloseReason): void {
    if (!this.#sessions.delete(session)) return;
    this.#unsettled.delete(session);
    this.#due.delete(session);
    this.#expires.delete(session);
    const left = (this.#perUser.get(session.user) ?? 1) - 1;
    if (left > 0) this.#perUser.set(session.user, left);
    else {
      this.#perUser.delete(session.user);
      this.#madeRoom.delete(session.user);
    }
    const refusal = session.opened ? undefined : REFUSAL_OF[reason];
    if (refusal) this.#options.counters.streamRefused(refusal);
    else this.#options.counters.streamClosed(reason);
    // Many at once, for one reason that is told with their number: a line each would say nothing more.
    const level = reason === 'redis' ? 'debug' : 'info';
    this.#options.logger[level]({ event: 'stream_closed', user: session.user, reason });
    // Where it was the reader who went, the session has not been told.
    session.close(reason);
  }
}
