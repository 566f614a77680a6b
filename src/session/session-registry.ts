import type { RightsReader } from '../backlog/backlog.ts';
import type { FleetLimit } from '../backlog/fleet-limit.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import { REFUSAL_OF } from '../connection/refusal.ts';
import type { Transport } from '../connection/transport.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Logger } from '../logger.ts';
import type { Disconnect } from '../message/disconnect.ts';
import { isAfter } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import { Ghosts, type GhostsOptions } from './ghosts.ts';
import { KeepAlive } from './keep-alive.ts';
import { type Person, RecentDisconnects } from './recent-disconnects.ts';
import type { Session } from './session.ts';
import { StreamsPerAddress } from './streams-per-address.ts';
import { StreamsPerUser } from './streams-per-user.ts';

/** The longest time between two turns (ms): a stream ends by so much after its credential, and that must be within a second. */
const TURN = 500;
/** The list of every session's user is read again this often (ms), some of them every second. */
const REREAD = 30_000;
/** Sessions that are ended before the event loop gets a turn. */
const SLICE = 500;

export interface RegistryOptions {
  hub: Pick<Hub, 'refresh'>;
  backlog: RightsReader;
  counters: Counters;
  logger: Logger;
  /** A stream gets a noop if nothing was sent for this long (ms). */
  noopInterval: number;
  maxStreams: number;
  maxStreamsPerUser: number;
  /** By default any number. */
  maxStreamsPerAddress?: number;
  /** Limits the streams of each user over all gateways. Without it, `maxStreamsPerUser` counts for this gateway alone. */
  fleetLimit?: FleetLimit | undefined;
  /** The time by a monotonic clock (ms). */
  now?: () => number;
  /** The date (ms since 1970). */
  date?: () => number;
  kernelQueues?: GhostsOptions['read'];
}

/** All sessions of this process. One timer does the periodic work for all of them. */
export class SessionRegistry {
  /** Why the last client was refused a stream, for the log. */
  turnedAwayFor = '';
  /** Called with each user who is disconnected, whether or not the user has streams here; `undefined`: it may be anybody. */
  onDisconnect: (user: string | undefined) => void = () => undefined;
  readonly #options: RegistryOptions;
  readonly #failures: Failures;
  readonly #sessions = new Set<Session>();
  readonly #perUser: StreamsPerUser;
  readonly #perAddress = new StreamsPerAddress();
  /** Interval of the timer (ms). */
  readonly #period: number;
  readonly #keepAlive: KeepAlive;
  /** The sessions that need `sweep`. */
  readonly #unsettled = new Set<Session>();
  readonly #ghosts: Ghosts;
  readonly #disconnects: RecentDisconnects;
  #timer: NodeJS.Timeout | undefined;
  /** The sessions whose lists are still to be read in this interval. */
  #rereading: Session[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
    this.#period = Math.min(TURN, options.noopInterval / 10);
    const { noopInterval, maxStreamsPerUser, fleetLimit, kernelQueues: read, date = Date.now } = options;
    const now = options.now ?? performance.now.bind(performance);
    this.#disconnects = new RecentDisconnects(now);
    this.#keepAlive = new KeepAlive({ noopInterval, step: this.#period / 10, now, date });
    this.#ghosts = new Ghosts({ noopInterval, now, read });
    const sessions = this.#sessions;
    const ghosts = this.#ghosts;
    this.#perUser = new StreamsPerUser({ sessions, maxStreamsPerUser, noopInterval, fleetLimit, ghosts, now });
  }

  get streams(): number {
    return this.#sessions.size;
  }

  /** The transport of each open stream. */
  *transports(): IterableIterator<Transport> {
    for (const { connection } of this.#sessions) yield connection.transport;
  }

  get users(): number {
    return this.#perUser.users;
  }

  /** Whether this gateway has room for one more stream of the user. If not, streams are searched soon whose readers have disappeared. */
  admits(user: string | undefined): boolean {
    const isFull = this.#sessions.size >= this.#options.maxStreams;
    if (!isFull && (user === undefined || this.#perUser.admits(user))) return true;
    this.#ghosts.hurry();
    return !isFull && user !== undefined && this.#perUser.makeRoom(user);
  }

  /** Whether there is room for one more stream from this address. If not, streams are searched soon whose readers have disappeared. */
  admitsFrom(address: string): boolean {
    const { maxStreamsPerAddress = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#perAddress.of(address) < maxStreamsPerAddress) return true;
    this.#ghosts.hurry();
    return false;
  }

  /** Waits for a stream of the user to end, but not for long. */
  async vacancy(user: string): Promise<void> {
    await this.#perUser.vacancy(user);
  }

  /**
   * @param expires when the session's credential expires (ms since 1970)
   * @param address the client's address, if it is counted
   * @returns whether the user may have the stream besides those at other gateways; if not, the caller refuses it. `undefined`: yes
   */
  add(session: Session, expires?: number, address?: string): Promise<boolean> | undefined {
    this.#sessions.add(session);
    const { user } = session;
    if (address !== undefined) session.address = this.#perAddress.add(address);
    session.connection.onClose = (reason) => this.#remove(session, reason);
    session.onHold = () => this.#unsettled.add(session);
    this.#unsettled.add(session);
    this.#keepAlive.add(session, expires);
    return user === undefined ? undefined : this.#perUser.add(user, session, this.#isOpen);
  }

  /** Forgets a session that was refused: it counts no longer, even if its client has not closed the connection yet. */
  refused(session: Session): void {
    this.#remove(session, 'capacity');
  }

  /** Why a request that began then (ms) gets no session, because its client was disconnected meanwhile. */
  reasonAgainst(person: Person, begun: number): 'revoked' | 'redis' | undefined {
    return this.#disconnects.reasonAgainst(person, begun);
  }

  /**
   * Delivers nothing to the streams of a user who may have been disconnected, until the returned function is called. What was published
   * behind the disconnect would reach them otherwise, if it is received before the disconnect has been read.
   */
  suspect(user: string): () => void {
    const held = this.#streamsOf(user);
    for (const session of held) session.hold();
    return () => {
      for (const session of held) session.release();
    };
  }

  /** Ends the streams whose requests began before the disconnect, and keeps out those that are being opened. */
  async disconnect(disconnect: Disconnect): Promise<void> {
    const { user, credential } = disconnect;
    this.#disconnects.note(disconnect);
    this.onDisconnect(user);
    if (user === undefined) {
      this.#options.logger.warn({ event: 'disconnects_missed', streams: this.streams });
      this.closeAll('redis');
      return;
    }
    const sessions = this.#endingWith(user, disconnect);
    const line = { event: 'disconnected', user, ...(credential !== undefined && { by: 'credential' }) };
    this.#options.logger.info({ ...line, streams: sessions.length });
    for (const [i, session] of sessions.entries()) {
      if (i > 0 && i % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
      session.close('revoked');
    }
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

  /** Closes a session that cannot begin, because the store does not answer or refuses what it needs. */
  turnAway(session: Session, reason: string): void {
    this.turnedAwayFor = reason;
    session.close('redis');
  }

  closeAll(reason: CloseReason): void {
    for (const session of [...this.#sessions]) session.close(reason);
  }

  /** Closes all sessions, spread evenly over `within` (ms) and in random order, so that their clients go to other gateways. */
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

  /** Reads all lists again, after a lost connection to Redis. Never rejects: a failure is logged, and each list has its turn anyway. */
  async rereadAll(): Promise<void> {
    await this.#reread([...this.#sessions]).catch((error: unknown) => this.#failures.log('reread_failed', error));
  }

  async #turn(): Promise<void> {
    for (const session of this.#unsettled) {
      session.sweep();
      if (session.isSettled) this.#unsettled.delete(session);
    }
    await this.#keepAlive.turn(this.#isOpen);
    if (this.#ghosts.isDue) void this.#closeGhosts();
    if (this.#rereading.length === 0) this.#rereading = [...this.#sessions];
    const count = Math.ceil(((this.#sessions.size * this.#period) / REREAD) * (0.75 + Math.random() / 2));
    // Not awaited: if Redis does not answer, the sessions must still get their noops. An answer that is lost with a connection does not
    // matter, because `rereadAll` reads all lists again after a reconnect.
    this.#reread(this.#rereading.splice(0, count)).catch(() => undefined);
  }

  /** Closes streams whose readers have disappeared. */
  async #closeGhosts(): Promise<void> {
    for (const session of await this.#ghosts.find(this.#sessions)) session.close('gone');
  }

  readonly #isOpen = (session: Session): boolean => this.#sessions.has(session);

  #endingWith(user: string, { credential, at }: Disconnect): Session[] {
    return this.#streamsOf(user).filter((session) => {
      const isMeant = credential === undefined || session.credential === credential;
      return isMeant && session.begun <= at && !session.connection.closed;
    });
  }

  #streamsOf(user: string): Session[] {
    const found: Session[] = [];
    const count = this.#perUser.of(user);
    // A user without streams here costs nothing, and all sessions are visited only until the last one of the user is found.
    for (const session of count > 0 ? this.#sessions : []) {
      if (session.user === user && found.push(session) === count) break;
    }
    return found;
  }

  /** Compares many lists in few round trips; a session whose list has a newer version than it knows reads the list again. */
  async #reread(sessions: Session[]): Promise<void> {
    const open = sessions.filter((session) => this.#sessions.has(session) && session.hasList);
    if (open.length === 0) return;
    const rights = await this.#options.backlog.rights(
      open.map(({ user, version, size }) => ({ user: user!, known: version, size })),
    );
    if (rights.every((changed, i) => !changed || changed.version === open[i]!.version)) return;
    // Receive all messages and notes up to these versions first: a session needs no refresh if one of them carries the change.
    await this.#options.hub.refresh();
    for (const [i, changed] of rights.entries()) {
      if (changed && isAfter(changed.version, open[i]!.version)) open[i]!.refresh();
    }
  }

  #remove(session: Session, reason: CloseReason): void {
    if (!this.#sessions.delete(session)) return;
    this.#unsettled.delete(session);
    this.#keepAlive.delete(session);
    if (session.address) this.#perAddress.remove(session.address);
    if (session.user !== undefined) this.#perUser.remove(session.user);
    const refusal = session.opened ? undefined : REFUSAL_OF[reason];
    if (refusal) this.#options.counters.streamRefused(refusal);
    else this.#options.counters.streamClosed(reason);
    // If Redis is away, many streams are closed at once. `Outage` logs their number, so a line for each would add nothing. A poll ends so
    // with every message.
    const level = reason === 'redis' || reason === 'polled' ? 'debug' : 'info';
    this.#options.logger[level]({ event: 'stream_closed', user: session.user, reason });
    // If the client has closed the connection, the session does not know yet.
    session.close(reason);
  }
}
