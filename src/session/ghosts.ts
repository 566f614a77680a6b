import type { Connection } from '../connection/connection.ts';
import { KernelQueues } from '../connection/kernel-queues.ts';

/** No connection is given up sooner (ms), because TCP sends a lost packet again within a second or two. */
const SHORTEST = 3000;
/** Checks take at most this share of the time: the kernel needs 50 ms to list 17,000 connections. */
const SHARE = 1 / 500;
/** Longest interval between two checks, in units of the patience, even if `SHARE` would make it longer. */
const RAREST = 4;
/** Connections that are checked before the event loop gets a turn; one takes 2 us. */
const SLICE = 500;

/** A connection with unacknowledged bytes. */
interface Suspect {
  /** How many bytes the reader has acknowledged. */
  acknowledged: number;
  /** When this number was first seen (ms). */
  since: number;
}

export interface GhostsOptions {
  /** Milliseconds. */
  noopInterval: number;
  /** The time by a monotonic clock (ms). */
  now: () => number;
  read?: (() => Promise<KernelQueues | undefined>) | undefined;
}

/**
 * Finds readers that disappeared without closing the connection: a phone in a tunnel, a laptop that was closed. TCP gives up after 15
 * minutes, and until then they count as streams of their user. But they do not acknowledge noops, and the kernel knows that.
 *
 * A reader that acknowledges anything, however slowly, is not a ghost. Nor is one that reads nothing while its kernel still takes the
 * bytes.
 */
export class Ghosts {
  readonly #patience: number;
  readonly #now: () => number;
  readonly #read: () => Promise<KernelQueues | undefined>;
  #suspects = new Map<Connection, Suspect>();
  /** When the last check ended (ms). */
  #lookedAt: number;
  /** When the next check is due (ms). */
  #next: number;
  #isLooking = false;
  /** Whether the system tells which bytes are acknowledged. It becomes `false` at the first check if it does not. */
  canTell = true;

  constructor({ noopInterval, now, read = KernelQueues.read }: GhostsOptions) {
    this.#patience = Math.max(2 * noopInterval, SHORTEST);
    this.#now = now;
    this.#read = read;
    this.#lookedAt = now();
    this.#next = this.#lookedAt + this.#patience;
  }

  get isDue(): boolean {
    return this.canTell && !this.#isLooking && this.#now() >= this.#next;
  }

  /** Checks as soon as a check can show something, because a client was refused for lack of room. */
  hurry(): void {
    const isFirst = this.#suspects.size === 0;
    this.#next = Math.min(this.#next, this.#lookedAt + (isFirst ? SHORTEST / 3 : this.#patience));
  }

  /** The holders of connections that have acknowledged nothing over two noops, although bytes were sent. */
  async find<Holder extends { connection: Connection }>(holders: Iterable<Holder>): Promise<Holder[]> {
    this.#isLooking = true;
    const began = this.#now();
    try {
      const queues = await this.#read();
      if (!queues) this.canTell = false;
      const found = queues ? await this.#compare(queues, holders) : [];
      this.#lookedAt = this.#now();
      const took = this.#lookedAt - began;
      this.#next = this.#lookedAt + Math.min(Math.max(this.#patience, took / SHARE), RAREST * this.#patience);
      return found;
    } finally {
      this.#isLooking = false;
    }
  }

  async #compare<Holder extends { connection: Connection }>(
    queues: KernelQueues,
    holders: Iterable<Holder>,
  ): Promise<Holder[]> {
    const now = this.#now();
    const suspects = new Map<Connection, Suspect>();
    const ghosts: Holder[] = [];
    let seen = 0;
    for (const holder of queues.isEmpty ? [] : holders) {
      const { connection } = holder;
      const acknowledged = connection.acknowledged(queues);
      if (acknowledged !== undefined) {
        const before = this.#suspects.get(connection);
        const isSame = before?.acknowledged === acknowledged;
        if (isSame && now - before.since >= this.#patience) ghosts.push(holder);
        else suspects.set(connection, isSame ? before : { acknowledged, since: now });
      }
      if (++seen % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#suspects = suspects;
    return ghosts;
  }
}
