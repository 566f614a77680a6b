import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** How long the limit is cached (ms): reading it takes 50 µs, and it may be changed while the process runs. */
const FRESH = 100;
/** How many files are kept free at most: for refusing streams with a frame, for publishers and for health checks. */
const MAX_HEAD_ROOM = 128;
/** One in four of the files kept free is refused to all clients, because the gateway may have to reconnect to Redis. */
const RESERVE_SHARE = 4;
/** Files that the process opens for itself; 25 to 45 were counted. */
const OWN_FILES = 64;

export interface DescriptorsOptions {
  /** Reads the soft limit on open files; `undefined` if it is unknown. */
  readLimit?: () => number | undefined;
  /** Counts the open files of the process; `undefined` if they cannot be counted. */
  countOpen?: () => Promise<number | undefined>;
  /** A monotonic clock (ms). */
  now?: () => number;
}

export type Room = 'enough' | 'little' | 'none';

/**
 * The file descriptors of the process; each connection takes one. Beyond the limit libuv closes new connections without telling
 * Node, so streams must be refused before.
 *
 * The kernel gives a new connection the lowest free descriptor, so all below its number are in use. If the numbers or the limit
 * are unknown, as on systems other than Linux, the answer is always `enough`.
 */
export class Descriptors {
  readonly #readLimit: () => number | undefined;
  readonly #countOpen: () => Promise<number | undefined>;
  readonly #now: () => number;
  #limit: number | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #isShort = false;
  #checking: Promise<boolean> | undefined;

  constructor({
    readLimit = readSoftLimit,
    countOpen = countOpenFiles,
    now = performance.now.bind(performance),
  }: DescriptorsOptions = {}) {
    this.#readLimit = readLimit;
    this.#countOpen = countOpen;
    this.#now = now;
  }

  get limit(): number | undefined {
    const now = this.#now();
    if (now - this.#readAt >= FRESH) {
      this.#readAt = now;
      this.#limit = this.#readLimit() ?? this.#limit;
    }
    return this.#limit;
  }

  /** The limit, and the one that `streams` streams need; `undefined` if the limit is high enough or unknown. */
  lacks(streams: number): { limit: number; needed: number } | undefined {
    const { limit } = this;
    const needed = streams + OWN_FILES + MAX_HEAD_ROOM;
    return limit !== undefined && limit < needed ? { limit, needed } : undefined;
  }

  /** To be called for each connection when it is accepted. */
  accept(socket: Socket): Room {
    const room = this.roomFor(socket);
    this.#isShort = room !== 'enough';
    return room;
  }

  roomFor(socket: Socket): Room {
    const { limit } = this;
    const number = numberOf(socket);
    if (limit === undefined || number === undefined) return 'enough';
    const headRoom = headRoomOf(limit);
    if (number < limit - headRoom) return 'enough';
    return number < limit - headRoom / RESERVE_SHARE ? 'little' : 'none';
  }

  /** Whether streams are refused at present. Open files are counted only if few were left at the latest connection. */
  async isShort(): Promise<boolean> {
    if (!this.#isShort) return false;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** How many files are open; `undefined` if they cannot be counted. */
  open(): Promise<number | undefined> {
    return this.#countOpen();
  }

  async #check(): Promise<boolean> {
    const { limit } = this;
    const open = await this.#countOpen();
    if (limit !== undefined && open !== undefined) this.#isShort = open >= limit - headRoomOf(limit);
    return this.#isShort;
  }
}

function headRoomOf(limit: number): number {
  return Math.min(MAX_HEAD_ROOM, Math.floor(limit / 4));
}

function numberOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}

function readSoftLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files +(\w+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? Number.NaN) || undefined;
  } catch {
    // This system has no such file, or no file can be opened; the caller keeps the last known limit.
    return undefined;
  }
}

async function countOpenFiles(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length;
  } catch {
    // This system has no such folder, or no file can be opened.
    return undefined;
  }
}
