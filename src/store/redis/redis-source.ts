import type { Redis } from 'ioredis';
import type { ChannelSource, Gap, Mark, SourceListener } from '../../hub/channel-source.ts';
import type { Logger } from '../../logger.ts';
import { parseEnvelope, parseNote } from '../../message/envelope.ts';
import { userOfChannel } from '../../message/names.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { batched } from './batch.ts';
import { closeConnection, suspect } from './connection.ts';
import { callFunction, loadFunctions } from './functions.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';
import { PlausibleIds } from './plausible-ids.ts';
import { settledIn } from './redis-plain-source.ts';

/** So many names in one SUBSCRIBE, so many keys in one MGET: about a millisecond of Redis's time. */
const CHUNK = 1000;
/** How long it is waited until the recorder has recorded everything (ms): longer than a new one takes where the old one has just died. */
const SETTLE_PATIENCE = 1500;

type MarkAnswer = [
  last: string,
  born: string,
  gaps: string[],
  heads: (string | null)[],
  now: string,
  database?: string,
  prefix?: string,
];

export interface RedisSourceOptions {
  redis: Redis;
  url: string;
  keys: Keys;
  names: PlainNames;
  logger: Logger;
  /** Called when the store has other topics or lists than this gateway. */
  configure(): void;
}

/** The subscriber connection of the hub. Over RESP3 it also asks, so that an answer has its place among the messages. */
export class RedisSource implements ChannelSource {
  readonly #redis: Redis;
  readonly #url: string;
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #logger: Logger;
  readonly #configure: () => void;
  /** Where gaps are said, and that the store has lost its memory. */
  readonly #gaps: string;
  /** Where the recorder says that everything before an id is recorded. */
  readonly #settledTopic: string;
  readonly #channels = new Map<string, string>();
  readonly #plausible = new PlausibleIds();
  #listener: SourceListener | undefined;
  /** By event: the word that was logged last. */
  readonly #reported = new Map<string, string>();
  readonly #settling = new Set<{ id: Position; settle: () => void }>();
  #settledUpTo = BEGINNING;
  readonly #settle = batched(Number.POSITIVE_INFINITY, async (requests: undefined[]) => {
    await this.#settleOnce();
    return requests;
  });

  constructor({ redis, url, keys, names, logger, configure }: RedisSourceOptions) {
    this.#redis = redis;
    this.#url = url;
    this.#keys = keys;
    this.#names = names;
    this.#logger = logger;
    this.#configure = configure;
    this.#gaps = `${keys.topicPrefix}@gap`;
    this.#settledTopic = `${keys.topicPrefix}@settled`;
  }

  start(listener: SourceListener): void {
    this.#listener = listener;
    this.#redis.on('messageBuffer', (topic: Buffer, payload: Buffer) => this.#hear(topic.toString('latin1'), payload));
    this.#redis.on('close', () => {
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
    for (let at = 0; at < channels.length; at += CHUNK) {
      refused.push(...(await this.#subscribeChunk(channels.slice(at, at + CHUNK))));
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
    const heads: Position[] = [];
    let mark: Mark | undefined;
    for (let at = 0; mark === undefined || at < channels.length; at += CHUNK) {
      mark = await this.#markChunk(channels.slice(at, at + CHUNK));
      for (const head of mark.heads) heads.push(head);
    }
    return { ...mark, heads };
  }

  async settle(): Promise<void> {
    await this.#settle([undefined]);
  }

  async reportLost({ from, to }: Gap, channels: string[]): Promise<void> {
    await callFunction(this.#redis, this.#keys, 'sisyphus_lost', [from, to, ...channels]);
  }

  async close(): Promise<void> {
    await closeConnection(this.#redis);
  }

  /**
   * The mark comes before anything is subscribed: where Redis has a new master, plain PUBLISHes are counted from it on, so
   * that none which somebody hears is taken for one of the old master's.
   */
  async #up(): Promise<void> {
    try {
      await loadFunctions(this.#redis, this.#keys);
      await this.#markChunk([]);
      await this.#redis.subscribe(this.#gaps, this.#settledTopic).catch((error: Error) => {
        // Then the self-check finds them.
        if (!error.message.startsWith('NOPERM')) throw error;
        this.#logger.warn({ event: 'channel_refused', channel: this.#gaps, reason: error.message });
      });
      this.#listener?.up();
    } catch (error) {
      this.#logger.error({ event: 'functions_refused', reason: (error as Error).message });
      this.#redis.disconnect(true);
    }
  }

  async #settleOnce(): Promise<void> {
    const id =
      parsePosition((await callFunction(this.#redis, this.#keys, 'sisyphus_settle', [])) as string) ?? BEGINNING;
    // The answer may be read together with what follows it.
    if (!isAfter(id, this.#settledUpTo)) return;
    await new Promise<void>((resolve) => {
      const waiting = { id, settle: resolve };
      this.#settling.add(waiting);
      setTimeout(() => this.#settling.delete(waiting) && resolve(), SETTLE_PATIENCE).unref();
    });
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
        if (!error.message.startsWith('NOPERM')) throw error;
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
      const floor = this.#listener?.position ?? BEGINNING;
      const answer = await callFunction(this.#redis, this.#keys, 'sisyphus_mark', [floor, ...channels]);
      const [last, born, gaps, heads, now, database = '', prefix = ''] = answer as MarkAnswer;
      this.#compare(database, prefix);
      const position = parsePosition(last) ?? BEGINNING;
      this.#plausible.learn(position, parsePosition(now) ?? BEGINNING, asked);
      return {
        position,
        born: parsePosition(born) ?? BEGINNING,
        gaps: gaps.map(parseGap),
        // A head that is ahead of all ids is none: somebody else has set it.
        heads: heads.map((head) => notAfter(parsePosition(head ?? ''), position)),
      };
    } catch (error) {
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

function notAfter(head: Position | undefined, position: Position): Position {
  return head === undefined || isAfter(head, position) ? BEGINNING : head;
}

function parseGap(text: string): Gap {
  const [reason, from = '', to = '', ...lost] = text.split(' ');
  return {
    lost,
    reason: reason === 'forked' ? 'forked' : 'unrecorded',
    from: parsePosition(from) ?? BEGINNING,
    to: parsePosition(to) ?? BEGINNING,
  };
}
