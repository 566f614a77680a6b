import type { FleetLimit, LocalStreams } from '../../backlog/fleet-limit.ts';

/** A stream that may begin once the store has answered. */
interface Applicant {
  isGone: Parameters<FleetLimit['admits']>[1];
  /** When a refusal is final (ms). */
  until: number;
  settle: (isAdmitted: boolean) => void;
}

/** The number of a user's streams at this gateway, as one call reports it. */
export interface Claim {
  user: string;
  /** Streams that the user has, without the applicants. */
  held: number;
  /** Streams that the user wants to have besides, in the order in which they came. */
  applicants: readonly Applicant[];
}

const NOBODY: readonly Applicant[] = [];

/**
 * What this gateway has to report to the store, and what it waits for.
 *
 * Invariant: a claim is absolute. It names all streams of the user, those whose answer is still on its way as applicants, so the last claim
 * that the store has carried out is right whatever became of those before it.
 */
export class StreamClaims {
  readonly #local: Pick<LocalStreams, 'users' | 'streamsOf'>;
  /** The lists are replaced and never changed, because claims share them. */
  readonly #applicants = new Map<string, readonly Applicant[]>();
  /** Users whose applicants have to be asked for. */
  readonly #asking = new Set<string>();
  /** Users of whom a stream has ended since the last claim. */
  readonly #changed = new Set<string>();
  /** Users whose applicants were refused, and are asked for again. */
  readonly #refused = new Set<string>();

  constructor(local: Pick<LocalStreams, 'users' | 'streamsOf'>) {
    this.#local = local;
  }

  /** Whether applicants were refused, and have to be asked for again. */
  get hasRefused(): boolean {
    return this.#refused.size > 0;
  }

  get hasAsking(): boolean {
    return this.#asking.size > 0;
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  apply(user: string, applicant: Applicant): void {
    const others = this.#applicants.get(user);
    this.#applicants.set(user, others ? [...others, applicant] : [applicant]);
    this.#asking.add(user);
  }

  /** A stream of the user has ended: there may be room for applicants that were refused. */
  change(user: string): void {
    if (this.#refused.delete(user)) this.#asking.add(user);
    this.#changed.add(user);
  }

  /** Makes every user be reported, because the store knows of none. */
  begin(): void {
    for (const user of this.#local.users()) this.#changed.add(user);
    for (const user of this.#applicants.keys()) this.#asking.add(user);
  }

  askAgain(): void {
    for (const user of this.#refused) this.#asking.add(user);
    this.#refused.clear();
  }

  /** The next claims, those with applicants first. `withChanges`: whether users are reported of whom streams have only ended. */
  take(most: number, withChanges: boolean): Claim[] {
    const claims: Claim[] = [];
    for (const users of withChanges ? [this.#asking, this.#changed] : [this.#asking]) {
      for (const user of users) {
        if (claims.length >= most) return claims;
        claims.push(this.#claim(user));
      }
    }
    return claims;
  }

  /** `admitted`: how many applicants of each claim the store has admitted. */
  answered(claims: Claim[], admitted: (claim: number) => number, now: number): void {
    for (const [i, { user, applicants }] of claims.entries()) {
      if (applicants.length === 0) continue;
      const room = admitted(i);
      const settled = applicants.filter(({ until }, place) => place < room || until <= now);
      this.#forget(user, settled);
      for (const [place, { until, settle }] of applicants.entries()) {
        if (place < room || until <= now) settle(place < room);
      }
      if (settled.length < applicants.length) this.#refused.add(user);
    }
  }

  /** Admits all streams that wait, because the store cannot count them. */
  admitAll(): void {
    const all = [...this.#applicants.values()].flat();
    for (const users of [this.#applicants, this.#asking, this.#changed, this.#refused]) users.clear();
    for (const { settle } of all) settle(true);
  }

  #claim(user: string): Claim {
    for (const users of [this.#asking, this.#changed, this.#refused]) users.delete(user);
    const gone = (this.#applicants.get(user) ?? NOBODY).filter(({ isGone }) => isGone());
    if (gone.length > 0) this.#forget(user, gone);
    const applicants = this.#applicants.get(user) ?? NOBODY;
    return { user, held: this.#local.streamsOf(user) - applicants.length, applicants };
  }

  #forget(user: string, gone: readonly Applicant[]): void {
    const left = (this.#applicants.get(user) ?? NOBODY).filter((applicant) => !gone.includes(applicant));
    if (left.length > 0) this.#applicants.set(user, left);
    else this.#applicants.delete(user);
  }
}
