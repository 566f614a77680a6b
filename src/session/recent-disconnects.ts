import type { Disconnect } from '../message/disconnect.ts';

/** How long a disconnect is remembered (ms): longer than a request may wait between its beginning and its session. */
const REMEMBERED = 10_000;
/** The most that are remembered. If there are more, all requests that have begun until then are turned away. */
const MOST = 100_000;

/** The person that a request turned out to come from. */
export interface Person {
  user: string;
  credential?: string | undefined;
}

/**
 * The disconnects of the last seconds, for requests that began before one and have no session yet: their clients are being identified.
 *
 * Invariant: a session is added only if no disconnect of its user or its credential was made after its request had begun. A disconnect
 * that follows finds it in the registry.
 */
export class RecentDisconnects {
  readonly #now: () => number;
  /** When each was made, and until when it is remembered (ms), in the order in which they were noted. */
  readonly #entries = new Map<string, { at: number; until: number }>();
  /** Requests that began before this are turned away, whoever they are from (ms). */
  #everybodyAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  note({ user, credential, at }: Disconnect): void {
    const now = this.#now();
    for (const [key, { until }] of this.#entries) {
      if (until > now) break;
      this.#entries.delete(key);
    }
    if (user === undefined || this.#entries.size >= MOST) {
      this.#entries.clear();
      this.#everybodyAt = now;
    }
    if (user === undefined || at < now - REMEMBERED) return;
    const key = keyOf(user, credential);
    const before = this.#entries.get(key)?.at ?? at;
    this.#entries.delete(key);
    this.#entries.set(key, { at: Math.max(before, at), until: now + REMEMBERED });
  }

  /**
   * Why a request that began then (ms) gets no session: `revoked`, or `redis` if it is not known whether a disconnect concerns it.
   * `undefined` if none does.
   */
  reasonAgainst({ user, credential }: Person, begun: number): 'revoked' | 'redis' | undefined {
    const keys = [keyOf(user, undefined), ...(credential === undefined ? [] : [keyOf(user, credential)])];
    if (keys.some((key) => begun <= (this.#entries.get(key)?.at ?? Number.NEGATIVE_INFINITY))) return 'revoked';
    return begun <= this.#everybodyAt ? 'redis' : undefined;
  }
}

/** A space is part of neither. */
function keyOf(user: string, credential: string | undefined): string {
  return credential === undefined ? user : `${user} ${credential}`;
}
