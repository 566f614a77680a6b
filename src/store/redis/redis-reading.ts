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

/** Channels that one call looks at: what comes next in them has to be looked for. */
const CHANNELS = 500;
/** The first page is small: most readers have missed little, and many come back at once. */
const FIRST_BYTES = 16 * 1024;
/** What a call may look at, as `sisyphus_read` counts it: bytes, and so many for each channel and each message. */
const MOST_COST = 1024 * 1024;
const CHANNEL_COST = 2500;
const MESSAGE_COST = 1000;
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

/** What one call asks for. */
interface Plan {
  /** Numbers of sources. */
  asked: number[];
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
 * Invariant: the number of each source is in `#unknown`, in `#later`, or nowhere, if it is finished; `#later` is in the order of what
 * comes next.
 */
export class RedisReading implements Reading {
  readonly gaps: Reading['gaps'] = new Map();
  readonly #options: RedisReadingOptions;
  readonly #sources: Sources;
  #unknown: number[];
  #later: number[] = [];
  /** Whether all channels have been looked at. */
  #begun = false;
  /** Read together with the gaps. */
  #first: Page | undefined;
  /** What the page before has of the budget. */
  #turn: Turn | undefined;

  private constructor(options: RedisReadingOptions, sources: Sources) {
    this.#options = options;
    this.#sources = sources;
    this.#unknown = [...sources.channels.keys()];
  }

  /** Looks at all channels once, so that it is known what is gone of them. */
  static begin(options: RedisReadingOptions, requests: ReadRequest[]): Promise<RedisReading> {
    if (requests.every(({ last }) => last === undefined)) {
      return new RedisReading(options, new Sources(requests, [])).#begin();
    }
    return findLast(options, requests).then((starts) =>
      new RedisReading(options, new Sources(requests, starts)).#begin(),
    );
  }

  async #begin(): Promise<this> {
    // Messages come only when there is no channel left that has not been looked at.
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
    // What comes next in the others may come before all that is known.
    if (unknown < this.#unknown.length) return { asked, unknown, upTo: BEGINNING, bytes: 0 };
    let bytes = 0;
    let cost = 0;
    for (const number of this.#later) {
      if (bytes >= PAGE_BYTES || cost >= MOST_COST) break;
      bytes += sources.bytes(number);
      // Of each, the next message and the one after it are looked at.
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
        // If there is a master elsewhere, the connection is on its way to it now, and all is asked again there.
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
      // What was not looked at stays what it was.
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

/** What somebody else has put into a backlog is no message: the next one's `previous` tells whether one is missing. */
function messageOf(channel: string, envelope: Buffer): Message | undefined {
  try {
    return parseEnvelope(channel, envelope);
  } catch {
    return undefined;
  }
}
