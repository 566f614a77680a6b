import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';

/** Channels whose last record is remembered, 5 MB at most; what went on in others longer ago, this gateway does not know. */
const MOST_CHANNELS = 50_000;
/** An id so far (us) behind the last anchor is not one of the store's: somebody has published what looks like a record. */
const FURTHEST = 60_000_000;

/** What a gateway that hears all records knows of a part of the order. */
export interface Testimony {
  /** The channels that had a record there. */
  channels: string[];
  /** It had heard everything from before that part until its connection ended. */
  heardAll: boolean;
}

/**
 * Which channel had its last record where, as far as this gateway has heard: should the store turn out to have lost what it
 * gave out last, those who heard it are the only ones who know whose it was.
 */
export class Witness {
  /** In the order in which the channels were heard last. */
  readonly #last = new Map<string, Position>();
  readonly #mostChannels: number;
  /** Everything behind this was heard, and is remembered. */
  #since: Position | undefined;
  #anchor = BEGINNING;
  #floor = BEGINNING;

  constructor(mostChannels = MOST_CHANNELS) {
    this.#mostChannels = mostChannels;
  }

  /** The last id that was heard. */
  get floor(): Position {
    return this.#floor;
  }

  /** Something may go by unheard until the next anchor. */
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

  /** Between the two, without them. */
  testify({ from, to }: { from: Position; to: Position }): Testimony {
    const channels: string[] = [];
    for (const [channel, id] of this.#last) if (isAfter(id, from) && isAfter(to, id)) channels.push(channel);
    return { channels, heardAll: this.#since !== undefined && !isAfter(this.#since, from) };
  }
}
