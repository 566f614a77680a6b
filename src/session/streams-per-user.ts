import type { Fleet, FleetLimit } from '../backlog/fleet-limit.ts';
import type { Ghosts } from './ghosts.ts';
import type { Session } from './session.ts';
import { Vacancies } from './vacancies.ts';

export interface StreamsPerUserOptions {
  sessions: Iterable<Session>;
  maxStreamsPerUser: number;
  /** Milliseconds. */
  noopInterval: number;
  /** Limits the streams of each user over all gateways. Without it, `maxStreamsPerUser` counts for this gateway alone. */
  fleetLimit: FleetLimit | undefined;
  /** How many streams there are, of users and of nobody; `undefined` if no more should be sent here. */
  total: () => number | undefined;
  /** Called with what is known of all gateways. */
  onFleet: (fleet: Fleet) => void;
  ghosts: Pick<Ghosts, 'hurry' | 'canTell'>;
  /** The time by a monotonic clock (ms). */
  now: () => number;
}

/**
 * Counts the streams of each user, and limits them, here and over all gateways. If there is no room, streams are searched soon whose
 * readers have disappeared.
 */
export class StreamsPerUser {
  readonly #options: StreamsPerUserOptions;
  readonly #counts = new Map<string, number>();
  readonly #vacancies: Vacancies;
  /** When a stream of the user was last closed to make room for another (ms). */
  readonly #madeRoom = new Map<string, number>();

  constructor(options: StreamsPerUserOptions) {
    this.#options = options;
    this.#vacancies = new Vacancies(options.maxStreamsPerUser);
    options.fleetLimit?.follow({
      total: options.total,
      onFleet: options.onFleet,
      users: () => this.#counts.keys(),
      streamsOf: (user) => this.of(user),
      search: () => options.ghosts.hurry(),
    });
  }

  /** How many users have a stream here. */
  get users(): number {
    return this.#counts.size;
  }

  of(user: string): number {
    return this.#counts.get(user) ?? 0;
  }

  /** Whether this gateway has room for one more stream of the user. */
  admits(user: string): boolean {
    return this.of(user) < this.#options.maxStreamsPerUser;
  }

  /** Waits for a stream of the user to end, but not for long. */
  async vacancy(user: string): Promise<void> {
    await this.#vacancies.wait(user);
  }

  /** @returns whether the user may have the stream besides those at other gateways. `undefined`: yes */
  add(user: string, session: Session, isOpen: (session: Session) => boolean): Promise<boolean> | undefined {
    this.#counts.set(user, this.of(user) + 1);
    const { fleetLimit } = this.#options;
    return fleetLimit && this.#isAdmitted(user, session, fleetLimit, isOpen);
  }

  remove(user: string): void {
    const left = this.of(user) - 1;
    if (left > 0) this.#counts.set(user, left);
    else {
      this.#counts.delete(user);
      this.#madeRoom.delete(user);
    }
    this.#vacancies.vacated(user);
    this.#options.fleetLimit?.closed(user);
  }

  /**
   * If the system cannot tell which readers have disappeared, closes the oldest stream of the user; its reader comes back if it is
   * alive. At most once in two noop intervals, because otherwise the tabs of a user with too many would close each other's streams.
   */
  makeRoom(user: string, except?: Session): boolean {
    const { ghosts, noopInterval, now, sessions } = this.#options;
    const last = this.#madeRoom.get(user) ?? Number.NEGATIVE_INFINITY;
    if (ghosts.canTell || now() - last < 2 * noopInterval) return false;
    for (const session of sessions) {
      if (session.user !== user || session === except) continue;
      this.#madeRoom.set(user, now());
      session.close('capacity');
      return true;
    }
    return false;
  }

  async #isAdmitted(
    user: string,
    session: Session,
    fleetLimit: FleetLimit,
    isOpen: (session: Session) => boolean,
  ): Promise<boolean> {
    if (await fleetLimit.admits(user, () => !isOpen(session))) return true;
    this.#options.ghosts.hurry();
    return this.makeRoom(user, session);
  }
}
