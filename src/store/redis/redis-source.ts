import type { Redis } from 'ioredis';
import { SisyphusError } from '../../errors.ts';
import type { ChannelSource, Gap, Mark, SourceListener } from '../../hub/channel-source.ts';
import type { Logger } from '../../logger.ts';
import { parseEnvelope } from '../../message/envelope.ts';
import { userOfChannel } from '../../message/names.ts';
import { BEGINNING, laterOf, type Position, parsePosition } from '../../message/position.ts';
import { closeConnection, suspect } from './connection.ts';
import { callFunction, loadFunctionsIfAllowed, ReadableFunction } from './functions.ts';
import { TOPIC_PREFIX, topicOf } from './keys.ts';
import { Backoff } from './pace.ts';
import { requireFit } from './probe.ts';
import { parseGap, parseHead, ReadOnlyMarks } from './read-only-marks.ts';
import { isAccessRefusal, isReply, refusesWrites, toSisyphusError } from './redis-error.ts';
import type { Standing } from './standing.ts';

/** So many names in one SUBSCRIBE, so many keys in one MGET: about a millisecond of Redis's time. */
const CHUNK = 1000;
/** Where gaps are said, and that the store has lost its memory. */
const GAPS = `${TOPIC_PREFIX}@gap`;

/** The subscriber connection of the hub. Over RESP3 it also asks, so that an answer has its place among the messages. */
export class RedisSource implements ChannelSource {
  readonly #redis: Redis;
  readonly #url: string;
  readonly #logger: Logger;
  readonly #standing: Standing;
  readonly #channels = new Map<string, string>();
  readonly #mark: ReadableFunction;
  readonly #readOnly = new ReadOnlyMarks();
  readonly #pause = new Backoff();
  #again: NodeJS.Timeout | undefined;
  /** Counts connections: what began on an earlier one says nothing of this. */
  #turn = 0;
  #isUp = false;
  #listener: SourceListener | undefined;
  #floor = BEGINNING;

  constructor(redis: Redis, url: string, logger: Logger, standing: Standing) {
    this.#redis = redis;
    this.#url = url;
    this.#logger = logger;
    this.#standing = standing;
    this.#mark = new ReadableFunction(redis, 'sisyphus_mark');
  }

  start(listener: SourceListener): void {
    this.#listener = listener;
    this.#redis.on('messageBuffer', (topic: Buffer, payload: Buffer) => this.#hear(topic.toString('latin1'), payload));
    this.#redis.on('close', () => {
      clearTimeout(this.#again);
      this.#turn++;
      this.#isUp = false;
      this.#channels.clear();
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
    const names = channels.flatMap(namesOf);
    for (const name of names) this.#channels.delete(name);
    // Where this fails the connection is gone, and the subscription with it.
    if (names.length > 0 && this.#redis.status === 'ready') this.#redis.unsubscribe(...names).catch(() => undefined);
  }

  async mark(channels: string[]): Promise<Mark> {
    if (!this.#isUp) throw new SisyphusError('redis_unavailable', 'Redis is not connected, or is refusing');
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

  async reportLost({ from, to }: Gap, channels: string[]): Promise<void> {
    try {
      await callFunction(this.#redis, 'sisyphus_lost', [from, to, ...channels]);
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
      await requireFit(this.#redis);
      await loadFunctionsIfAllowed(this.#redis);
      await this.#markChunk([]);
      await this.#redis.subscribe(GAPS).catch((error: Error) => {
        // Then the self-check finds them.
        if (!isAccessRefusal(error)) throw error;
        this.#logger.warn({ event: 'channel_refused', channel: GAPS, reason: error.message });
      });
      if (turn !== this.#turn) return;
      this.#pause.reset();
      this.#isUp = true;
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
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#up(), this.#pause.next()).unref();
  }

  #hear(name: string, payload: Buffer): void {
    if (name === GAPS) {
      const text = payload.toString('latin1');
      const [, born] = /^born (\d+)$/.exec(text) ?? [];
      if (born) this.#listener?.reborn(parsePosition(born) ?? BEGINNING);
      else this.#listener?.gap(parseGap(text));
      return;
    }
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    if (!name.startsWith(TOPIC_PREFIX)) {
      this.#listener?.plain(userOfChannel(channel)!, payload);
      return;
    }
    try {
      const message = parseEnvelope(channel, payload);
      this.#floor = laterOf(this.#floor, message.id);
      this.#listener?.message(message);
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
        if (!error.message.startsWith('NOPERM')) throw error;
        this.#logger.warn({ event: 'channel_refused', channel, reason: error.message });
        refused.push(channel);
      });
    }
    return refused;
  }

  async #subscribeNames(channels: string[]): Promise<void> {
    const names = channels.flatMap((channel) => namesOf(channel).map((name) => [name, channel] as const));
    for (const [name, channel] of names) this.#channels.set(name, channel);
    await this.#redis.subscribe(...names.map(([name]) => name));
  }

  async #markChunk(channels: string[]): Promise<Mark> {
    try {
      const { answer, isReadOnly, refusal } = await this.#mark.call([this.#floor, ...channels], channels);
      if (refusal) this.#standing.failed('marking', refusal);
      const mark = isReadOnly ? this.#readOnly.read(answer, this.#floor) : this.#markOf(answer);
      if (this.#isUp) this.#standing.worked('reading');
      return mark;
    } catch (error) {
      this.#standing.failed('reading', error);
      suspect(this.#redis, this.#url, error);
      throw error;
    }
  }

  #markOf(answer: unknown): Mark {
    const [last, born, gaps, heads] = answer as [string, string, string[], (string | null)[]];
    const position = parsePosition(last) ?? BEGINNING;
    this.#standing.worked('marking');
    this.#standing.wrote('hub');
    this.#readOnly.reset();
    this.#floor = laterOf(this.#floor, position);
    return { position, born: parsePosition(born) ?? BEGINNING, gaps: gaps.map(parseGap), heads: heads.map(parseHead) };
  }
}

/** For a user's own channel also the plain one: a grant counts from its PUBLISH, not from when that is recorded. */
function namesOf(channel: string): string[] {
  return userOfChannel(channel) === undefined ? [topicOf(channel)] : [topicOf(channel), channel];
}
