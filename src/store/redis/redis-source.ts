import type { Redis } from 'ioredis';
import { SisyphusError } from '../../errors.ts';
import type { ChannelSource, Gap, Mark, SourceListener } from '../../hub/channel-source.ts';
import type { Logger } from '../../logger.ts';
import { parseEnvelope, parseNote } from '../../message/envelope.ts';
import { userOfChannel } from '../../message/names.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { SETTLING } from '../../patience.ts';
import { batched } from './batch.ts';
import { closeConnection, suspect } from './connection.ts';
import { callFunction, hasFunctions, loadFunctionsIfAllowed, ReadableFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { type MarkAnswer, markOf } from './mark-answer.ts';
import { Backoff } from './pace.ts';
import { parseGap } from './parse-gap.ts';
import type { PlainNames } from './plain-names.ts';
import { PlausibleIds } from './plausible-ids.ts';
import { requireFit } from './probe.ts';
import { ReadOnlyMarks } from './read-only-marks.ts';
import { isAccessRefusal, isReply, refusesWrites, toSisyphusError } from './redis-error.ts';
import { settledIn } from './redis-plain-source.ts';
import type { Standing } from './standing.ts';

/** So many names in one SUBSCRIBE, so many keys in one MGET: about a millisecond of Redis's time. */
const CHUNK = 1000;
/** Whether everything is recorded is asked again after this (ms): nobody may have listened. */
const SETTLE_AGAIN = 400;

export interface RedisSourceOptions {
  redis: Redis;
  url: string;
  keys: Keys;
  names: PlainNames;
  standing: Standing;
  logger: Logger;
  /** Called when the store has other topics or lists than this gateway. */
  configure(): void;
  /** Called with the number of the settings that count. */
  onSettings(version: number): void;
}

/** The subscriber connection of the hub. Over RESP3 it also asks, so that an answer has its place among the messages. */
export class RedisSource implements ChannelSource {
  readonly #redis: Redis;
  readonly #url: string;
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #logger: Logger;
  readonly #standing: Standing;
  readonly #configure: () => void;
  readonly #onSettings: (version: number) => void;
  /** Where gaps are said, and that the store has lost its memory. */
  readonly #gaps: string;
  /** Where the recorder says that everything before an id is recorded. */
  readonly #settledTopic: string;
  readonly #channels = new Map<string, string>();
  readonly #plausible = new PlausibleIds();
  readonly #mark: ReadableFunction;
  readonly #readOnly = new ReadOnlyMarks();
  readonly #pause = new Backoff();
  #again: NodeJS.Timeout | undefined;
  /** Counts connections: what began on an earlier one says nothing of this. */
  #turn = 0;
  /** It was not let up, and will try again. */
  #isRefused = false;
  #listener: SourceListener | undefined;
  /** By event: the word that was logged last. */
  readonly #reported = new Map<string, string>();
  readonly #settling = new Set<{ id: Position; settle: () => void }>();
  #settledUpTo = BEGINNING;
  readonly #settle = batched(Number.POSITIVE_INFINITY, async (requests: undefined[]) => {
    await this.#settleOnce();
    return requests;
  });

  constructor({ redis, url, keys, names, standing, logger, configure, onSettings }: RedisSourceOptions) {
    this.#redis = redis;
    this.#url = url;
    this.#keys = keys;
    this.#names = names;
    this.#logger = logger;
    this.#standing = standing;
    this.#mark = new ReadableFunction(redis, keys, 'sisyphus_mark');
    this.#configure = configure;
    this.#onSettings = onSettings;
    this.#gaps = `${keys.topicPrefix}@gap`;
    this.#settledTopic = `${keys.topicPrefix}@settled`;
  }

  start(listener: SourceListener): void {
    this.#listener = listener;
    this.#redis.on('messageBuffer', (topic: Buffer, payload: Buffer) => this.#hear(topic.toString('latin1'), payload));
    this.#redis.on('close', () => {
      clearTimeout(this.#again);
      this.#turn++;
      this.#isRefused = false;
      this.#channels.clear();
      this.#settled(Number.POSITIVE_INFINITY as Position);
      this.#settledUpTo = BEGINNING;
      listener.down();
    });
    this.#redis.on('ready', () => void this.#up());
    if (this.#redis.status === 'ready') void this.#up();
  }

  async subscribe(channels: string[]): Promise<string[]> {
    const refused: string[] = [];
    try {
      for (let at = 0; at < channels.length; at += CHUNK) {
        refused.push(...(await this.#subscribeChunk(channels.slice(at, at + CHUNK))));
      }
    } catch (error) {
      throw toSisyphusError(error);
    }
    return refused;
  }

  unsubscribe(channels: string[]): void {
    const names = channels.flatMap((channel) => this.#namesOf(channel));
    for (const name of names) this.#channels.delete(name);
    // Where this fails the connection is gone, and the subscription with it.
    if (names.length > 0 && this.#redis.status === 'ready') this.#redis.unsubscribe(...names).catch(() => undefined);
  }

  async mark(channels: string[]): Promise<Mark> {
    if (this.#isRefused) throw new SisyphusError('redis_unavailable', 'Redis refuses what every reader needs');
    const heads: Position[] = [];
    let mark: Mark | undefined;
    for (let at = 0; mark === undefined || at < channels.length; at += CHUNK) {
      mark = await this.#markChunk(channels.slice(at, at + CHUNK)).catch((error: unknown) => {
        throw toSisyphusError(error);
      });
      for (const head of mark.heads) heads.push(head);
    }
    return { ...mark, heads };
  }

  async settle(): Promise<void> {
    await this.#settle([undefined]);
  }

  async reportLost({ from, to }: Gap, extent: 'some' | 'all', channels: string[]): Promise<void> {
    try {
      await callFunction(this.#redis, this.#keys, 'sisyphus_lost', [from, to, `@${extent}`, ...channels]);
    } catch (error) {
      // It takes no writes: those who are here are told all the same.
      if (!refusesWrites(error)) throw toSisyphusError(error);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#again);
    await closeConnection(this.#redis);
  }

  /**
   * The mark comes before anything is subscribed: where Redis has a new master, plain PUBLISHes are counted from it on, so
   * that none which somebody hears is taken for one of the old master's.
   */
  async #up(): Promise<void> {
    const turn = this.#turn;
    try {
      // In one round trip: what was missed meanwhile is trimmed at some time.
      const fit = requireFit(this.#redis);
      const [hasAll] = await Promise.all([hasFunctions(this.#redis, this.#keys), fit]);
      if (!hasAll) await loadFunctionsIfAllowed(this.#redis, this.#keys);
      await this.#markChunk([]);
      await this.#redis.subscribe(this.#gaps, this.#settledTopic).catch((error: Error) => {
        // Then the self-check finds them.
        if (!isAccessRefusal(error)) throw error;
        this.#logger.warn({ event: 'channel_refused', channel: this.#gaps, reason: error.message });
      });
      if (turn !== this.#turn) return;
      this.#pause.reset();
      this.#isRefused = false;
      this.#standing.worked('reading');
      this.#listener?.up();
    } catch (error) {
      if (turn === this.#turn) this.#refused(error);
    }
  }

  /** Redis has not answered, and a new connection may be answered; or it has refused, and would refuse that to any other. */
  #refused(error: unknown): void {
    this.#standing.failed('reading', error);
    if (!isReply(error)) {
      this.#redis.disconnect(true);
      return;
    }
    this.#isRefused = true;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#up(), this.#pause.next()).unref();
  }

  async #settleOnce(): Promise<void> {
    for (const until = performance.now() + SETTLING; performance.now() < until; ) {
      const id = await this.#askToSettle();
      // The answer may be read together with what follows it.
      if (!isAfter(id, this.#settledUpTo) || (await this.#isSettled(id))) return;
    }
  }

  #isSettled(id: Position): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting = { id, settle: () => resolve(true) };
      this.#settling.add(waiting);
      setTimeout(() => this.#settling.delete(waiting) && resolve(false), SETTLE_AGAIN).unref();
    });
  }

  /** If Redis takes no writes, nobody records, and nothing can be waited for. */
  async #askToSettle(): Promise<Position> {
    try {
      const answer = await callFunction(this.#redis, this.#keys, 'sisyphus_settle', []);
      return parsePosition(answer as string) ?? BEGINNING;
    } catch (error) {
      if (!refusesWrites(error)) throw toSisyphusError(error);
      return BEGINNING;
    }
  }

  #settled(upTo: Position): void {
    this.#settledUpTo = upTo;
    for (const waiting of this.#settling) {
      if (isAfter(waiting.id, upTo)) continue;
      this.#settling.delete(waiting);
      waiting.settle();
    }
  }

  #hear(name: string, payload: Buffer): void {
    if (name === this.#gaps) {
      const text = payload.toString('latin1');
      const [, born] = /^born (\d+)$/.exec(text) ?? [];
      if (born) this.#listener?.reborn(parsePosition(born) ?? BEGINNING);
      else this.#listener?.gap(parseGap(text));
      return;
    }
    if (name === this.#settledTopic) {
      this.#settled(settledIn(payload));
      return;
    }
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (!name.startsWith(this.#keys.topicPrefix)) {
      this.#listener?.plain(userOfChannel(channel)!, payload);
      return;
    }
    const change = parseNote(payload);
    if (change) {
      const user = userOfChannel(channel);
      if (user !== undefined) this.#listener?.changed(user, change);
      return;
    }
    try {
      const message = parseEnvelope(channel, payload);
      this.#listener?.message(message, !this.#plausible.has(message.id));
    } catch (error) {
      // Somebody else's PUBLISH on our topic: the next message's `previous` tells whether anything is missing.
      this.#logger.error({ event: 'envelope_unreadable', channel, reason: (error as Error).message });
    }
  }

  /** All in one command; where that is denied, each alone, so that one denied channel silences no other. */
  async #subscribeChunk(channels: string[]): Promise<string[]> {
    try {
      await this.#subscribeNames(channels);
      return [];
    } catch (error) {
      if (!(error as Error).message.startsWith('NOPERM')) throw error;
    }
    const refused: string[] = [];
    for (const channel of channels) {
      await this.#subscribeNames([channel]).catch((error: Error) => {
        if (!isAccessRefusal(error)) throw error;
        this.#logger.warn({ event: 'channel_refused', channel, reason: error.message });
        refused.push(channel);
      });
    }
    return refused;
  }

  async #subscribeNames(channels: string[]): Promise<void> {
    const names = channels.flatMap((channel) => this.#namesOf(channel).map((name) => [name, channel] as const));
    for (const [name, channel] of names) this.#channels.set(name, channel);
    await this.#redis.subscribe(...names.map(([name]) => name));
  }

  async #markChunk(channels: string[]): Promise<Mark> {
    try {
      const asked = performance.now();
      const floor = this.#readOnly.floor(this.#listener?.position ?? BEGINNING);
      const { answer, isReadOnly, refusal } = await this.#mark.call([floor, ...channels], channels);
      if (refusal) this.#standing.failed('marking', refusal);
      const mark = markOf(answer as MarkAnswer);
      const { position = BEGINNING, born = BEGINNING, now, gaps, heads } = mark;
      this.#plausible.learn(position, now, asked);
      if (!this.#isRefused) this.#standing.worked('reading');
      if (isReadOnly) return { now, ...this.#readOnly.judge(mark, floor, mark.isReplica) };
      this.#readOnly.reset();
      this.#standing.worked('marking');
      this.#standing.wrote('hub');
      this.#compare(mark.database, mark.prefix);
      this.#onSettings(mark.settings);
      return { position, born, now, gaps, heads };
    } catch (error) {
      this.#standing.failed('reading', error);
      suspect(this.#redis, this.#url, error);
      throw error;
    }
  }

  /**
   * Both are empty until a gateway has configured the store. Another database: databases were swapped, or restored under another
   * number, or a proxy counts in its own way. Another prefix: gateways of one installation disagree.
   */
  #compare(database: string, prefix: string): void {
    const isSameDatabase = Number(database) === this.#keys.database;
    if (!isSameDatabase && database !== '') {
      const expected = `expected ${this.#keys.database}, as REDIS_URL says`;
      this.#report('database_differs', database, `the store takes its database for ${database}; ${expected}`);
    }
    if (prefix !== '' && prefix !== this.#names.prefix) {
      const expected = `expected one for all gateways; HSET ${this.#keys.declared}:clock prefix "" takes it away`;
      this.#report(
        'key_prefix_differs',
        prefix,
        `SISYPHUS_KEY_PREFIX=${prefix} of another gateway counts; ${expected}`,
      );
    }
    if (!isSameDatabase || (prefix === '' && this.#names.prefix !== '')) this.#configure();
  }

  /** Once for each word in a row. */
  #report(event: string, word: string, text: string): void {
    if (this.#reported.get(event) !== word) this.#logger.error({ event, stored: word }, text);
    this.#reported.set(event, word);
  }

  /** For a user's own channel also the plain one: a grant counts from its PUBLISH, not from when that is recorded. */
  #namesOf(channel: string): string[] {
    const topic = this.#keys.topic(channel);
    return userOfChannel(channel) === undefined ? [topic] : [topic, ...this.#names.namesOf(channel)];
  }
}
