import type { Redis } from 'ioredis';
import type { Page, Reading, ReadRequest } from '../../backlog/backlog.ts';
import { reasonOf } from '../../backlog/gap.ts';
import { PAGE_BYTES, PAGE_MESSAGES } from '../../backlog/pages.ts';
import { parseEnvelope } from '../../message/envelope.ts';
import type { Message } from '../../message/message.ts';
import {
  BEGINNING,
  comparePositions,
  isAfter,
  justBefore,
  laterOf,
  type Position,
  positionBefore,
} from '../../message/position.ts';
import { askTwice } from './ask-twice.ts';
import { readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { findLast } from './last-messages.ts';
import { type PageAnswer, parseAnswer } from './page-answer.ts';
import type { ReadingQueue, Turn } from './reading-queue.ts';
import { toSisyphusError } from './redis-error.ts';

/** Channels that one call looks at: what comes next in them has to be looked for. */
const CHANNELS = 500;
/** The first page is small: most readers have missed little, and many come back at once. */
const FIRST_BYTES = 16 * 1024;
/** What a call may look at, as `sisyphus_read` counts it: bytes, and so many for each message and each channel. */
const MOST_COST = 1024 * 1024;
const COST = 2500;
/** A channel that has to be looked at is counted as so many bytes that are asked for. */
const CHANNEL_BYTES = 1024;

export interface RedisReadingOptions {
  redis: Redis;
  keys: Keys;
  queue: ReadingQueue;
  /** How long a message is replayed (ms). */
  ttl: number;
  signal: AbortSignal | undefined;
  /** Others wait for it. */
  isUrgent: boolean;
}

/** A channel, and how far its reading has got. */
interface Source {
  readonly channel: string;
  /** Whether the reader is owed everything, so that a gap is told of. */
  readonly isOwed: boolean;
  /** Everything up to this has been read, or is known to be gone. */
  known: Position;
  /** Nothing after this is read. */
  upTo: Position;
  /** The message that comes next, and its size with its envelope; unless it has to be looked for. */
  next: Position;
  bytes: number;
}

/** What one call asks for. */
interface Plan {
  sources: Source[];
  /** How many of them come from `#unknown`; the others are the first of `#later`. */
  unknown: number;
  upTo: Position;
  /** At most, if there is not one message that is larger. */
  bytes: number;
}

/**
 * One reader's way through the backlogs of its channels, by `sisyphus_read`.
 *
 * Of each channel it knows the id and the size of the message that comes next. So a page is asked for with the channels whose next
 * messages are the earliest, as many as fill it, and up to the next message of all others: the pages are in the order of ids
 * across channels, and neither Redis nor this process has more than one page of a reader at a time.
 *
 * Invariant: each source is in `#unknown`, in `#later`, or finished; `#later` is in the order of `next`.
 */
export class RedisReading implements Reading {
  readonly gaps: Reading['gaps'] = new Map();
  readonly #options: RedisReadingOptions;
  #unknown: Source[];
  #later: Source[] = [];
  /** Whether all channels have been looked at. */
  #begun = false;
  /** Read together with the gaps. */
  #first: Page | undefined;
  /** What the page before has of the budget. */
  #turn: Turn | undefined;

  private constructor(options: RedisReadingOptions, sources: Source[]) {
    this.#options = options;
    this.#unknown = sources;
  }

  /** Looks at all channels once, so that it is known what is gone of them. */
  static async begin(options: RedisReadingOptions, requests: ReadRequest[]): Promise<RedisReading> {
    const starts = await findLast(options, requests);
    const sources = requests.map(({ channel, after, upTo, last }, i) => {
      return { channel, isOwed: last === undefined, known: starts[i] ?? after, upTo, next: BEGINNING, bytes: 0 };
    });
    const reading = new RedisReading(options, sources);
    // Messages come only when there is no channel left that has not been looked at.
    while (!reading.#first && reading.#unknown.length > 0) {
      const { gaps, messages } = await reading.#readOn();
      for (const [channel, reason] of gaps) reading.gaps.set(channel, reason);
      if (messages.length > 0) reading.#first = { gaps: new Map(), messages };
    }
    reading.#begun = true;
    return reading;
  }

  async next(): Promise<Page | undefined> {
    const first = this.#first;
    this.#first = undefined;
    if (first) return first;
    this.#turn?.done();
    while (this.#unknown.length + this.#later.length > 0) {
      const page = await this.#readOn();
      if (page.messages.length > 0 || page.gaps.size > 0) return page;
    }
    return undefined;
  }

  /** One call to Redis, when it is this reading's turn. */
  async #readOn(): Promise<Page> {
    const { queue, signal, isUrgent } = this.#options;
    const plan = this.#plan();
    const turn = await queue.enter(plan.bytes + CHANNEL_BYTES * plan.unknown, signal, isUrgent);
    this.#turn = turn;
    try {
      const answer = await this.#ask(plan);
      await turn.answered(answer.bytes);
      signal?.throwIfAborted();
      return this.#take(plan, answer);
    } catch (error) {
      turn.done();
      throw error;
    }
  }

  #plan(): Plan {
    const sources = this.#unknown.slice(0, CHANNELS);
    const unknown = sources.length;
    // What comes next in the others may come before all that is known.
    if (unknown < this.#unknown.length) return { sources, unknown, upTo: BEGINNING, bytes: 0 };
    let bytes = 0;
    let cost = 0;
    for (const source of this.#later) {
      if (bytes >= PAGE_BYTES || cost >= MOST_COST) break;
      bytes += source.bytes;
      // Of each, the next message and the one after it are looked at.
      cost += 3 * COST + 2 * source.bytes;
      sources.push(source);
    }
    const beyond = this.#later[sources.length - unknown];
    const upTo = beyond ? justBefore(beyond.next) : sources.map((source) => source.upTo).reduce(laterOf);
    const most = Math.max(PAGE_BYTES, unknown === 0 ? sources[0]!.bytes : 0);
    return { sources, unknown, upTo, bytes: this.#begun ? most : FIRST_BYTES };
  }

  async #ask({ sources, unknown, upTo, bytes: most }: Plan): Promise<PageAnswer> {
    const { redis, keys, ttl } = this.#options;
    const channels = sources.flatMap(({ channel, known, next, bytes }) => [channel, known, next, bytes]);
    const args = [upTo, Number.isFinite(ttl) ? ttl : 0, most, PAGE_MESSAGES, unknown, ...channels];
    const answer = await askTwice(redis, () =>
      readFunction(redis, keys, 'sisyphus_read', args).catch((error: unknown) => {
        throw toSisyphusError(error);
      }),
    );
    return parseAnswer(answer);
  }

  #take({ sources, unknown }: Plan, { now, states, entries }: PageAnswer): Page {
    const page: Page = { gaps: new Map(), messages: [] };
    const oldest = positionBefore(this.#options.ttl, now / 1000);
    for (const [i, state] of states.slice(0, unknown).entries()) {
      // Ids rise: where the last message of a channel was no later than what is read, none will be.
      if (typeof state === 'object' && isAfter(sources[i]!.upTo, state.head)) sources[i]!.upTo = state.head;
    }
    for (const [number, envelope] of entries) {
      const source = sources[number - 1]!;
      const message = messageOf(source.channel, envelope);
      if (!message) continue;
      noteMissing(page, source, message.previous, oldest, message.revision);
      if (!isAfter(message.id, source.upTo)) page.messages.push(message);
      source.known = isAfter(message.id, source.upTo) ? source.upTo : message.id;
    }
    const left: Source[] = [];
    const known = this.#later.slice(sources.length - unknown);
    for (const [i, source] of sources.entries()) {
      const state = states[i];
      // What was not looked at stays what it was.
      if (state === undefined) (i < unknown ? left : known).push(source);
      else if (state === 'same') known.push(source);
      else if (state === 'nothing') continue;
      else if (state.next === undefined) left.push(source);
      else {
        // Where nothing is kept, the last that is known of is gone too.
        const lastMissing = state.next === BEGINNING ? laterOf(state.head, source.next) : state.previous;
        noteMissing(page, source, lastMissing, oldest, state.revision);
        Object.assign(source, { next: state.next, bytes: state.bytes });
        if (state.next !== BEGINNING && !isAfter(state.next, source.upTo)) known.push(source);
      }
    }
    this.#unknown = left.concat(this.#unknown.slice(unknown));
    this.#later = known.sort((a, b) => comparePositions(a.next, b.next));
    return page;
  }
}

/** Everything of the source up to `lastMissing` that has not been read is gone; `revision` is that of the message behind it. */
function noteMissing(page: Page, source: Source, lastMissing: Position, oldest: Position, revision: number): void {
  if (!isAfter(lastMissing, source.known) || !isAfter(source.upTo, source.known)) return;
  if (source.isOwed) page.gaps.set(source.channel, reasonOf(lastMissing, oldest, revision));
  source.known = lastMissing;
}

/** What somebody else has put into a backlog is no message: the next one's `previous` tells whether one is missing. */
function messageOf(channel: string, envelope: Buffer): Message | undefined {
  try {
    return parseEnvelope(channel, envelope);
  } catch {
    return undefined;
  }
}
