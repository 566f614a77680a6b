import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** How long a limit that was read holds (ms): reading it takes 50 µs, and somebody may change it while the process runs. */
const FRESH = 100;
/** What is kept free for streams that are refused with a frame, for publishers and for health checks. */
const MAX_HEAD_ROOM = 128;
/** And of that, what no connection from outside gets: Redis may have to be connected to again. */
const RESERVE_SHARE = 4;
/** Files that the process has open apart from its clients' connections: 25 to 45 were counted. */
const OWN_FILES = 64;

export interface DescriptorsOptions {
  /** The soft limit, `undefined` where it cannot be known. */
  readLimit?: () => number | undefined;
  countOpen?: () => Promise<number | undefined>;
  /** Of a clock that never goes back (ms). */
  now?: () => number;
}

export type Room = 'enough' | 'little' | 'none';

/**
 * The files that the process may open, each connection being one. Beyond the limit libuv closes what comes before anybody knows
 * of it, so that connections have to be turned away while there is room.
 *
 * How many are open is told by the number of the newest one: the kernel gives out the lowest that is free, so that
 * everything below it is taken. Where numbers or the limit are not known, as on other systems than Linux, there is always room.
 */
export class Descriptors {
  /** Connections that were closed without an answer. */
  dropped = 0;
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

  /** The limit that so many streams ask for, where the process has less. */
  lacks(streams: number): { limit: number; needed: number } | undefined {
    const { limit } = this;
    const needed = streams + OWN_FILES + MAX_HEAD_ROOM;
    return limit !== undefined && limit < needed ? { limit, needed } : undefined;
  }

  /** Of a connection that has just been accepted. */
  accept(socket: Socket): Room {
    const room = this.roomFor(socket);
    this.#isShort = room !== 'enough';
    if (room === 'none') this.dropped++;
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

  /** Whether streams are turned away at present. Files are counted only if they were few at the last connection. */
  async isShort(): Promise<boolean> {
    if (!this.#isShort) return false;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
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
    // There is no such file on this system, or none can be opened: what was known before holds.
    return undefined;
  }
}

async function countOpenFiles(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length;
  } catch {
    // As above.
    return undefined;
  }
}
