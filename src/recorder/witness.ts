import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';

/** Most channels whose last record is remembered, which takes 5 MB at most. The channel with the oldest record is forgotten first. */
const MOST_CHANNELS = 50_000;
/** Ignore records with an id this far ahead of the last anchor (us): they are forged, because the store's ids are never so far ahead. */
const FURTHEST = 60_000_000;

/** What a gateway that receives all records knows about a range of ids. */
export interface Testimony {
  /** The channels whose last record is in the range. */
  channels: string[];
  /** Whether this gateway has received, and remembers, everything from before the range until its connection ended. */
  heardAll: boolean;
}

/**
 * Remembers the id of the last record of each channel, as far as this gateway has received them. If the store turns out to have lost
 * its last records, only the gateways that received them know which channels they belonged to.
 */
export class Witness {
  /** The id of the last record of each channel, ordered by when the record was received. */
  readonly #last = new Map<string, Position>();
  readonly #mostChannels: number;
  /** Every record behind this id was received, and is remembered; `undefined` after an interruption. */
  #since: Position | undefined;
  #anchor = BEGINNING;
  #floor = BEGINNING;

  constructor(mostChannels = MOST_CHANNELS) {
    this.#mostChannels = mostChannels;
  }

  /** The highest id that was received. */
  get floor(): Position {
    return this.#floor;
  }

  /** Records may be missed from now on, until the next anchor. */
  interrupt(): void {
    this.#since = undefined;
  }

  anchored(id: Position): void {
    this.#since ??= id;
    this.#anchor = id;
    this.#floor = laterOf(this.#floor, id);
  }

  hear(channel: string, id: Position): void {
    if (id - this.#anchor > FURTHEST) return;
    this.#floor = laterOf(this.#floor, id);
    this.#last.delete(channel);
    this.#last.set(channel, id);
    if (this.#last.size <= this.#mostChannels) return;
    const [oldest, last] = this.#last.entries().next().value!;
    this.#last.delete(oldest);
    if (this.#since !== undefined) this.#since = laterOf(this.#since, last);
  }

  /** What is known about the ids between `from` and `to`, without these two. */
  testify({ from, to }: { from: Position; to: Position }): Testimony {
    const channels: string[] = [];
    for (const [channel, id] of this.#last) if (isAfter(id, from) && isAfter(to, id)) channels.push(channel);
    return { channels, heardAll: this.#since !== undefined && !isAfter(this.#since, from) };
  }
}
