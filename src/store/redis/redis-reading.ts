import type { Redis } from 'ioredis';
import type { Page, Reading, ReadRequest } from '../../backlog/backlog.ts';
import { PAGE_BYTES, PAGE_MESSAGES } from '../../backlog/pages.ts';
import { parseEnvelope } from '../../message/envelope.ts';
import type { Message } from '../../message/message.ts';
import { BEGINNING, justBefore, type Position, positionBefore } from '../../message/position.ts';
import { askTwice } from './ask-twice.ts';
import { type Argument, readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { findLast } from './last-messages.ts';
import { type PageAnswer, parseAnswer } from './page-answer.ts';
import type { ReadingQueue, Turn } from './reading-queue.ts';
import { isReadOnly } from './redis-error.ts';
import { Sources } from './sources.ts';

/** Channels in one call whose next message has to be looked for. */
const CHANNELS = 500;
/** The size of the first page (bytes): it is small, because most readers have missed little, and many come back at once. */
const FIRST_BYTES = 16 * 1024;
/** How much a call may look at, as `sisyphus_read` counts it: bytes, and so many more for each channel and each message. */
const MOST_COST = 1024 * 1024;
const CHANNEL_COST = 2500;
const MESSAGE_COST = 1000;
/** In the ReadingQueue, a channel whose next message has to be looked for counts as so many requested bytes. */
const CHANNEL_BYTES = 1024;

export interface RedisReadingOptions {
  redis: Redis;
  keys: Keys;
  queue: ReadingQueue;
  /** How long a message is replayed (ms). */
  ttl: number;
  isConflated: (channel: string) => boolean;
  signal: AbortSignal | undefined;
  /** Other readers wait for this reading. */
  isUrgent: boolean;
}

/** The request of one call. */
interface Plan {
  /** The numbers of the sources to read. */
  asked: number[];
  /** How many of them come from `#unknown`; the others are the first of `#later`. */
  unknown: number;
  upTo: Position;
  /** The most bytes to read, unless a single message is larger. */
  bytes: number;
}

/**
 * Reads the backlogs of one reader's channels, by `sisyphus_read`.
 *
 * For each channel it knows the id and the size of the next message. A call requests a page from the channels whose next messages
 * are the earliest, as many as fill it, and up to the next message of all others. So the pages are in the order of ids across
 * channels, and neither Redis nor this process has more than one page of a reader at a time.
 *
 * Invariant: the number of each source is in `#unknown`, in `#later`, or, if the source is finished, in neither; `#later` is in
 * the order of the next messages.
 */
export class RedisReading implements Reading {
  readonly gaps: Reading['gaps'] = new Map();
  readonly #options: RedisReadingOptions;
  readonly #sources: Sources;
  #unknown: number[];
  #later: number[] = [];
  /** Whether all channels have been looked at. */
  #begun = false;
  /** The first page, if it was read together with the gaps. */
  #first: Page | undefined;
  /** The part of the budget that the previous page uses. */
  #turn: Turn | undefined;

  private constructor(options: RedisReadingOptions, sources: Sources) {
    this.#options = options;
    this.#sources = sources;
    this.#unknown = [...sources.channels.keys()];
  }

  /** Looks at all channels once, to find out which messages are gone. */
  static begin(options: RedisReadingOptions, requests: ReadRequest[]): Promise<RedisReading> {
    if (requests.every(({ last }) => last === undefined)) {
      return new RedisReading(options, new Sources(requests, [], options.isConflated)).#begin();
    }
    return findLast(options, requests).then((starts) =>
      new RedisReading(options, new Sources(requests, starts, options.isConflated)).#begin(),
    );
  }

  async #begin(): Promise<this> {
    // No messages are read until all channels have been looked at.
    while (!this.#first && this.#unknown.length > 0) {
      const { gaps, messages } = await this.#readOn();
      for (const [channel, reason] of gaps) this.gaps.set(channel, reason);
      if (messages.length > 0) this.#first = { gaps: new Map(), messages };
    }
    this.#begun = true;
    return this;
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
    const sources = this.#sources;
    const asked = this.#unknown.slice(0, CHANNELS);
    const unknown = asked.length;
    // The next messages of the other channels may be earlier than all known ones.
    if (unknown < this.#unknown.length) return { asked, unknown, upTo: BEGINNING, bytes: 0 };
    let bytes = 0;
    let cost = 0;
    for (const number of this.#later) {
      if (bytes >= PAGE_BYTES || cost >= MOST_COST) break;
      bytes += sources.bytes(number);
      // In each channel, Redis looks at the next message and the one after it.
      cost += CHANNEL_COST + 2 * (MESSAGE_COST + sources.bytes(number));
      asked.push(number);
    }
    const beyond = this.#later[asked.length - unknown];
    const upTo = beyond === undefined ? sources.latestOf(asked) : justBefore(sources.next(beyond));
    const most = Math.max(PAGE_BYTES, unknown === 0 ? sources.bytes(asked[0]!) : 0);
    return { asked, unknown, upTo, bytes: this.#begun ? most : FIRST_BYTES };
  }

  async #ask({ asked, unknown, upTo, bytes: most }: Plan): Promise<PageAnswer> {
    const { redis, keys, ttl } = this.#options;
    const args: Argument[] = [upTo, Number.isFinite(ttl) ? ttl : 0, most, PAGE_MESSAGES, unknown];
    for (const number of asked) args.push(...this.#sources.argumentsFor(number));
    const answer = await askTwice(redis, () =>
      readFunction(redis, keys, 'sisyphus_read', args).catch((error: unknown) => {
        // If there is a master elsewhere, the connection now moves to it, and the call is repeated there.
        if (isReadOnly(error)) return readFunction(redis, keys, 'sisyphus_read_ro', args);
        throw error;
      }),
    );
    return parseAnswer(answer);
  }

  #take({ asked, unknown }: Plan, { now, states, entries, knownSince }: PageAnswer): Page {
    const sources = this.#sources;
    const page: Page = { gaps: new Map(), messages: [] };
    const ages = { oldest: positionBefore(this.#options.ttl, now / 1000), knownSince };
    for (const [i, state] of states.slice(0, unknown).entries()) {
      if (state === 'unknown') sources.noteForgotten(asked[i]!, page, ages);
      else if (typeof state === 'object') sources.endAt(asked[i]!, state.head);
    }
    for (const [i, envelope] of entries) {
      const number = asked[i - 1]!;
      const message = messageOf(sources.channels[number]!, envelope);
      if (message) sources.take(number, message, page, ages);
    }
    const left: number[] = [];
    const later = this.#later.slice(asked.length - unknown);
    for (const [i, number] of asked.entries()) {
      const state = states[i];
      // A channel that was not looked at stays in its list.
      if (state === undefined) (i < unknown ? left : later).push(number);
      else if (state === 'same') later.push(number);
      else if (state === 'nothing' || state === 'unknown') continue;
      else if (state.next === undefined) left.push(number);
      else if (sources.moveOn(number, state, page, ages)) later.push(number);
    }
    this.#unknown = left.concat(this.#unknown.slice(unknown));
    this.#later = sources.sort(later);
    return page;
  }
}

/** `undefined` if another client has put this into the backlog: `previous` of the next message shows whether one is missing. */
function messageOf(channel: string, envelope: Buffer): Message | undefined {
  try {
    return parseEnvelope(channel, envelope);
  } catch {
    return undefined;
  }
}
