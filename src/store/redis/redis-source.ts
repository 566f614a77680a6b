import type { Redis } from 'ioredis';
import { SisyphusError } from '../../errors.ts';
import type { ChannelSource, Gap, Mark, SourceListener } from '../../hub/channel-source.ts';
import type { Logger } from '../../logger.ts';
import type { Disconnect } from '../../message/disconnect.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import { closeConnection } from './connection.ts';
import { callFunction, hasFunctions, loadFunctionsIfAllowed } from './functions.ts';
import { HeardChannels } from './heard-channels.ts';
import type { Keys } from './keys.ts';
import { Marks } from './marks.ts';
import { MissedDisconnects } from './missed-disconnects.ts';
import { Backoff } from './pace.ts';
import { parseGap } from './parse-gap.ts';
import type { Parts } from './parts.ts';
import { PlausibleIds } from './plausible-ids.ts';
import { requireFit } from './probe.ts';
import { isAccessRefusal, isReply, refusesWrites, rethrow, toSisyphusError } from './redis-error.ts';
import { Settling, settledIn } from './settling.ts';
import type { Setup } from './setup.ts';
import type { Standing } from './standing.ts';

/** Keys in one MGET: about a millisecond of Redis's time. */
const CHUNK = 1000;

export interface RedisSourceOptions extends Parts {
  redis: Redis;
  setup: Pick<Setup, 'configure' | 'learn'>;
}

/** The subscriber connection of the hub. With RESP3 it also sends commands, so that an answer has its place among the messages. */
export class RedisSource implements ChannelSource {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #logger: Logger;
  readonly #standing: Standing;
  /** The topic on which the store publishes gaps, and that it has lost its memory. */
  readonly #gaps: string;
  /** The topic on which the recorder publishes that everything before an id is recorded. */
  readonly #settledTopic: string;
  /** The topic on which the store publishes that streams are to end. */
  readonly #disconnectTopic: string;
  readonly #channels: HeardChannels;
  readonly #marks: Marks;
  readonly #disconnects: MissedDisconnects;
  readonly #settling: Settling;
  readonly #pause = new Backoff();
  #again: NodeJS.Timeout | undefined;
  /** Counts connections: the result of a call that began on an earlier one is ignored. */
  #turn = 0;
  /** Redis has refused a call that the hub needs to come up; it is tried again. */
  #isRefused = false;
  #listener: SourceListener | undefined;

  constructor({ redis, url, keys, names, standing, setup, logger }: RedisSourceOptions) {
    const plausible = new PlausibleIds();
    this.#redis = redis;
    this.#keys = keys;
    this.#logger = logger;
    this.#standing = standing;
    this.#gaps = `${keys.topicPrefix}@gap`;
    this.#settledTopic = `${keys.topicPrefix}@settled`;
    this.#disconnectTopic = `${keys.topicPrefix}@disconnect`;
    this.#channels = new HeardChannels({ redis, keys, names, plausible, logger });
    const tell = (disconnect: Disconnect): void => this.#listener?.disconnected(disconnect);
    const suspect = (user: string): (() => void) | undefined => this.#listener?.suspected?.(user);
    const disconnects = new MissedDisconnects({ redis, keys, logger, tell, suspect });
    this.#disconnects = disconnects;
    this.#marks = new Marks({ redis, url, keys, names, standing, plausible, setup, disconnects, logger });
    this.#settling = new Settling(redis, keys);
  }

  start(listener: SourceListener): void {
    this.#listener = listener;
    this.#redis.on('messageBuffer', (topic: Buffer, payload: Buffer) => {
      this.#hear(listener, topic.toString('latin1'), payload);
    });
    this.#redis.on('close', () => {
      clearTimeout(this.#again);
      this.#turn++;
      this.#isRefused = false;
      this.#channels.end();
      this.#settling.end();
      listener.down();
    });
    this.#redis.on('ready', () => void this.#up());
    if (this.#redis.status === 'ready') void this.#up();
  }

  async subscribe(channels: string[]): Promise<string[]> {
    return this.#channels.subscribe(channels).catch(rethrow);
  }

  unsubscribe(channels: string[]): void {
    this.#channels.unsubscribe(channels);
  }

  async mark(channels: string[]): Promise<Mark> {
    if (this.#isRefused) throw new SisyphusError('redis_unavailable', 'Redis refuses what every reader needs');
    const heads: Position[] = [];
    let mark: Mark | undefined;
    for (let at = 0; mark === undefined || at < channels.length; at += CHUNK) {
      mark = await this.#readMark(channels.slice(at, at + CHUNK)).catch(rethrow);
      for (const head of mark.heads) heads.push(head);
    }
    return { ...mark, heads };
  }

  async settle(): Promise<void> {
    await this.#settling.settle();
  }

  async reportLost({ from, to }: Gap, extent: 'some' | 'all', channels: string[]): Promise<void> {
    try {
      await callFunction(this.#redis, this.#keys, 'sisyphus_lost', [from, to, `@${extent}`, ...channels]);
    } catch (error) {
      // Redis takes no writes; the readers of this gateway are notified all the same.
      if (!refusesWrites(error)) throw toSisyphusError(error);
    }
  }

  /** See `Marks.clockWarning`. */
  get clockWarning(): string | undefined {
    return this.#marks.clockWarning;
  }

  /** See `Store.localTime`. */
  localTime(id: Position): number | undefined {
    return this.#marks.localTime(id);
  }

  async close(): Promise<void> {
    clearTimeout(this.#again);
    await closeConnection(this.#redis);
  }

  /**
   * Reads a mark before anything is subscribed: if Redis has a new master, plain PUBLISHes are counted from this mark on, so that
   * none that a gateway receives is taken for one of the old master's.
   */
  async #up(): Promise<void> {
    const turn = this.#turn;
    try {
      // In one round trip, to be quick: the messages missed meanwhile may be trimmed.
      const fit = requireFit(this.#redis);
      const [hasAll] = await Promise.all([hasFunctions(this.#redis, this.#keys), fit]);
      if (!hasAll) await loadFunctionsIfAllowed(this.#redis, this.#keys);
      await this.#readMark([]);
      await this.#subscribeOwn(this.#gaps, this.#settledTopic);
      await this.#subscribeOwn(this.#disconnectTopic);
      if (turn !== this.#turn) return;
      this.#pause.reset();
      this.#isRefused = false;
      this.#standing.worked('reading');
      this.#listener?.up();
    } catch (error) {
      if (turn === this.#turn) this.#refused(error);
    }
  }

  /** Without this subscription, the self-check finds the gaps and the disconnects. */
  async #subscribeOwn(...topics: string[]): Promise<void> {
    await this.#redis.subscribe(...topics).catch((error: Error) => {
      if (!isAccessRefusal(error)) throw error;
      this.#logger.warn({ event: 'channel_refused', channel: topics[0], reason: error.message });
    });
  }

  /**
   * If Redis has not answered, opens a new connection, which may be answered. If it has refused, it would refuse on any connection:
   * tries again later on this one.
   */
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

  #readMark(channels: string[]): Promise<Mark> {
    return this.#marks.read(channels, this.#listener?.position ?? BEGINNING, this.#isRefused);
  }

  #hear(listener: SourceListener, name: string, payload: Buffer): void {
    if (name === this.#settledTopic) this.#settling.reached(settledIn(payload));
    else if (name === this.#disconnectTopic) this.#disconnects.hear(payload);
    else if (name !== this.#gaps) this.#channels.hear(listener, name, payload);
    else {
      const text = payload.toString('latin1');
      const [, born] = /^born (\d+)$/.exec(text) ?? [];
      if (born) listener.reborn(parsePosition(born) ?? BEGINNING);
      else listener.gap(parseGap(text));
    }
  }
}
