import type { Connection } from '../connection/connection.ts';
import { KernelQueues } from '../connection/kernel-queues.ts';

/** No connection is given up sooner (ms): a packet that was lost is sent again within a second or two. */
const SHORTEST = 3000;
/** A look takes no more than this part of the time: the kernel needs 50 ms to list 17,000 connections. But so often one comes. */
const SHARE = 1 / 500;
const RAREST = 4;
/** Connections that are looked at in one go, 2 us each. */
const SLICE = 500;

interface Suspect {
  /** How much the reader has acknowledged (bytes). */
  acknowledged: number;
  /** Since when at least (ms). */
  since: number;
}

export interface GhostsOptions {
  /** Milliseconds. */
  noopInterval: number;
  /** Of the clock that never goes back (ms). */
  now: () => number;
  read?: (() => Promise<KernelQueues | undefined>) | undefined;
}

/**
 * Finds readers that have gone without saying so: a phone in a tunnel, a laptop that was closed. TCP gives up after 15 minutes, and
 * until then they count as streams of their user. Noops go unacknowledged meanwhile, which the kernel knows.
 *
 * A reader that acknowledges anything, however slow, is none; also one that reads nothing, as long as its kernel takes what comes.
 */
export class Ghosts {
  readonly #patience: number;
  readonly #now: () => number;
  readonly #read: () => Promise<KernelQueues | undefined>;
  #suspects = new Map<Connection, Suspect>();
  #lookedAt: number;
  #next: number;
  #isLooking = false;
  /** Whether the system tells what is acknowledged; known after the first look. */
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

  /** Somebody waits for a place: the next look comes as soon as it can tell something. */
  hurry(): void {
    const isFirst = this.#suspects.size === 0;
    this.#next = Math.min(this.#next, this.#lookedAt + (isFirst ? SHORTEST / 3 : this.#patience));
  }

  /** Those that have acknowledged nothing over two noops, although something was sent. */
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
