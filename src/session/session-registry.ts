import type { RightsReader } from '../backlog/backlog.ts';
import type { Fleet, FleetLimit } from '../backlog/fleet-limit.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import { EventStream } from '../connection/event-stream.ts';
import { REFUSAL_OF } from '../connection/refusal.ts';
import type { Transport } from '../connection/transport.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Limits } from '../limits/limits.ts';
import { LocalLimits } from '../limits/local-limits.ts';
import type { Logger } from '../logger.ts';
import type { Disconnect } from '../message/disconnect.ts';
import { Disconnects } from './disconnects.ts';
import { drain } from './drain.ts';
import type { GhostsOptions } from './ghosts.ts';
import { type Full, type Permit, Permits } from './permits.ts';
import { Rebalancer } from './rebalancer.ts';
import type { Person } from './recent-disconnects.ts';
import type { Session } from './session.ts';
import { type EndedStream, EndedStreams, recordOf } from './stream-records.ts';
import { StreamsPerUser } from './streams-per-user.ts';
import { Upkeep } from './upkeep.ts';

/** Streams end for these reasons because of the network or the machine of the client: its address helps to find out why. */
const OF_NETWORK = new Set<CloseReason>(['slow', 'gone']);

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
  /** Where streams are counted, but for those of a user; by default in this process alone. */
  limits?: Limits | undefined;
  /** Limits the streams of each user over all gateways. Without it, `maxStreamsPerUser` counts for this gateway alone. */
  fleetLimit?: FleetLimit | undefined;
  /** Whether streams are sent to other gateways that have fewer. */
  rebalances?: boolean;
  /** The time by a monotonic clock (ms). */
  now?: () => number;
  /** The date (ms since 1970). */
  date?: () => number;
  kernelQueues?: GhostsOptions['read'];
}

/**
 * All sessions of this process. The file is long because it joins the parts that each look after one thing, and passes calls on to them.
 */
export class SessionRegistry {
  /** Why the last client was refused a stream, for the log. */
  turnedAwayFor = '';
  /** Called with each user who is disconnected, whether or not the user has streams here; `undefined`: it may be anybody. */
  onDisconnect: (user: string | undefined) => void = () => undefined;
  readonly #options: RegistryOptions;
  readonly #sessions = new Set<Session>();
  readonly #perUser: StreamsPerUser;
  readonly #permits: Permits;
  readonly #ended = new EndedStreams();
  readonly #date: () => number;
  readonly #upkeep: Upkeep;
  readonly #disconnects: Disconnects;
  readonly #rebalancer: Rebalancer | undefined;
  #isLeaving = false;
  /** Whether the streams are reported: not if nobody should be sent here any more. */
  #isReporting = true;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const {
      hub,
      backlog,
      logger,
      noopInterval,
      maxStreamsPerUser,
      fleetLimit,
      kernelQueues,
      date = Date.now,
    } = options;
    const now = options.now ?? performance.now.bind(performance);
    this.#date = date;
    this.#disconnects = new Disconnects({
      logger,
      streamsOf: (user) => this.#streamsOf(user),
      total: () => this.streams,
      closeAll: (reason) => this.closeAll(reason),
      onDisconnect: (user) => this.onDisconnect(user),
      now,
    });
    const sessions = this.#sessions;
    this.#upkeep = new Upkeep({ sessions, hub, backlog, logger, noopInterval, now, date, kernelQueues });
    const { ghosts } = this.#upkeep;
    const onVain = (moved: number): void => logger.warn({ event: 'moved_in_vain', streams: moved });
    this.#rebalancer = options.rebalances ? new Rebalancer({ now, onVain }) : undefined;
    const fleet = { fleetLimit, total: () => (this.#isReporting ? this.streams : undefined), onFleet: this.#onFleet };
    const { maxStreams, maxStreamsPerAddress = Number.POSITIVE_INFINITY, limits = new LocalLimits() } = options;
    this.#permits = new Permits({ limits, maxStreams, maxStreamsPerAddress, onFull: () => ghosts.hurry() });
    this.#perUser = new StreamsPerUser({ sessions, maxStreamsPerUser, noopInterval, ...fleet, ghosts, now });
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

  /** All open streams. */
  get open(): Iterable<Session> {
    return this.#sessions;
  }

  /** The streams of the user that are open, and those that have ended lately, the last one first. */
  streamsOf(user: string): { open: Session[]; ended: EndedStream[] } {
    return { open: this.#streamsOf(user), ended: this.#ended.of(user) };
  }

  /** Whether this gateway has room for one more stream of the user. If not, streams are searched soon whose readers have disappeared. */
  admits(user: string | undefined): boolean {
    if (user === undefined || this.#perUser.admits(user)) return true;
    this.#upkeep.ghosts.hurry();
    return this.#perUser.makeRoom(user);
  }

  /** Whether it is known already that there is no room for one more stream from this address. */
  isFull(address: string): boolean {
    return this.#permits.isFull(address);
  }

  /**
   * Counts one more stream, if there is room. If not, streams are searched soon whose readers have disappeared.
   *
   * @param address by what the client's address is counted, if it is
   */
  permit(address: string | undefined): Promise<Permit | Full> {
    return this.#permits.take(address);
  }

  /** Waits for a stream of the user to end, but not for long. */
  async vacancy(user: string): Promise<void> {
    await this.#perUser.vacancy(user);
  }

  /**
   * @param expires when the session's credential expires (ms since 1970)
   * @param permit is given back when the session ends
   * @returns whether the user may have the stream besides those at other gateways; if not, the caller refuses it. `undefined`: yes
   */
  add(session: Session, expires?: number, permit?: Permit): Promise<boolean> | undefined {
    this.#sessions.add(session);
    session.since = this.#date();
    const { user } = session;
    session.permit = permit;
    session.connection.onClose = (reason) => this.#remove(session, reason);
    this.#upkeep.add(session, expires);
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
    return this.#disconnects.suspect(user);
  }

  /** Ends the streams whose requests began before the disconnect, and keeps out those that are being opened. */
  async disconnect(disconnect: Disconnect): Promise<void> {
    await this.#disconnects.disconnect(disconnect);
  }

  start(): void {
    this.#upkeep.start();
  }

  stop(): void {
    this.#upkeep.stop();
  }

  /** Closes a session that cannot begin, because the store does not answer or refuses what it needs. */
  turnAway(session: Session, reason: string): void {
    this.turnedAwayFor = reason;
    session.close('redis');
  }

  closeAll(reason: CloseReason): void {
    for (const session of [...this.#sessions]) session.close(reason);
  }

  /**
   * Sends nobody elsewhere any more, and says to other gateways that they should send nobody here.
   *
   * @param isReplaced another worker of the gateway has taken the place of this one: the gateway stays, and its streams count until they
   *   have ended. Without them it would seem to have room while they are on their way.
   */
  leave(isReplaced = false): void {
    this.#isLeaving = true;
    this.#isReporting &&= isReplaced;
  }

  /** Closes all sessions within this time (ms), and those that have come meanwhile. */
  async drain(within: number): Promise<void> {
    await drain(this.#sessions, within);
    this.closeAll('shutdown');
  }

  /** Reads all lists again, after a lost connection to Redis. Never rejects. */
  async rereadAll(): Promise<void> {
    await this.#upkeep.rereadAll();
  }

  /** Sends some streams to gateways that have fewer, those first that have been here for longest. A poll ends soon by itself. */
  readonly #onFleet = (fleet: Fleet): void => {
    let left = this.#isLeaving ? 0 : (this.#rebalancer?.step(this.streams, fleet) ?? 0);
    for (const session of left > 0 ? this.#sessions : []) {
      const { opened, connection } = session;
      if (!opened || connection.closed || !(connection instanceof EventStream)) continue;
      session.close('moved');
      if (--left === 0) break;
    }
  };

  readonly #isOpen = (session: Session): boolean => this.#sessions.has(session);

  #streamsOf(user: string): Session[] {
    const found: Session[] = [];
    const count = this.#perUser.of(user);
    // A user without streams here costs nothing, and all sessions are visited only until the last one of the user is found.
    for (const session of count > 0 ? this.#sessions : []) {
      if (session.user === user && found.push(session) === count) break;
    }
    return found;
  }

  #remove(session: Session, reason: CloseReason): void {
    if (!this.#sessions.delete(session)) return;
    this.#upkeep.delete(session);
    session.permit?.release();
    if (session.user !== undefined) this.#perUser.remove(session.user);
    // A poll ends with every message, and the next one begins where it ended.
    if (reason !== 'polled') this.#ended.note({ ...recordOf(session), ended: this.#date(), reason });
    const refusal = session.opened ? undefined : REFUSAL_OF[reason];
    if (refusal) this.#options.counters.streamRefused(refusal);
    else this.#options.counters.streamClosed(reason);
    // If Redis is away, many streams are closed at once. `Outage` logs their number, so a line for each would add nothing. A poll ends so
    // with every message.
    const level = reason === 'redis' || reason === 'polled' ? 'debug' : 'info';
    this.#options.logger[level]({
      event: 'stream_closed',
      user: session.user,
      reason,
      ...(OF_NETWORK.has(reason) && { address: session.address }),
      milliseconds: this.#date() - session.since,
    });
    // If the client has closed the connection, the session does not know yet.
    session.close(reason);
  }
}
