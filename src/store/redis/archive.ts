import type { Redis } from 'ioredis';
import type { Counter, Rights } from '../../backlog/backlog.ts';
import type { Message } from '../../message/message.ts';
import { comparePositions, justBefore, type Position } from '../../message/position.ts';
import type { ResetReason } from '../../message/reset.ts';
import { PROGRAM } from '../../root.ts';
import { connectCommand } from './connect.ts';
import { readVersion } from './functions.ts';
import type { Keys } from './keys.ts';
import { RedisBacklog, rightsOf } from './redis-backlog.ts';
import type { RedisTarget } from './target.ts';

/** The retention where no gateway has configured one (ms). */
const DAY = 86_400_000;

/** A message that was looked for by its id: it is there, or it is gone for this reason, or no message of the channel has that id. */
export type Found = { message: Message } | { gone: ResetReason } | { gone: undefined };

/** A channel in Redis, and how many of its messages are kept. */
export interface KnownChannel extends Counter {
  channel: string;
  kept: number;
}

const NO_FUNCTIONS = `Redis has no functions of a gateway: expected the Redis of one, or ${PROGRAM} functions load before`;
/** Keys in one step of a scan: a fraction of a millisecond of Redis's time. */
const PAGE = 1000;

/** What Redis knows, for the commands that look and change nothing. */
export class Archive {
  readonly backlog: RedisBacklog;
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly close: () => Promise<void>;

  private constructor(redis: Redis, keys: Keys, close: () => Promise<void>, ttl: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.close = close;
    this.backlog = new RedisBacklog({ commands: redis, replays: redis, keys, ttl: () => ttl });
  }

  /** @throws SisyphusError `redis_unavailable` */
  static async open(target: RedisTarget, namespace: string | undefined): Promise<Archive> {
    const { redis, keys, close } = await connectCommand(target, namespace);
    try {
      // To read with functions would load them. A command that looks leaves Redis as it is.
      if ((await readVersion(redis, keys)) === 0) throw new Error(NO_FUNCTIONS);
      const ttl = Number((await redis.hget(`${keys.declared}:clock`, 'ttl')) ?? DAY);
      return new Archive(redis, keys, close, ttl > 0 ? ttl : Number.POSITIVE_INFINITY);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** The rights of the user as they are stored. A gateway would compare the list, and note what has changed. */
  async rights(user: string): Promise<Rights> {
    const answer = await this.#redis.call('FCALL_RO', 'sisyphus_rights_ro', '1', this.#keys.declared, user, '-');
    const [fields] = answer as (string[] | null)[];
    return rightsOf(Array.isArray(fields) ? fields : []);
  }

  async counter(channel: string): Promise<Counter> {
    const [counter] = await this.backlog.counters([channel]);
    return counter!;
  }

  async find(channel: string, id: Position): Promise<Found> {
    const reading = await this.backlog.open([{ channel, after: justBefore(id), upTo: id }]);
    let gone = reading.gaps.get(channel);
    for (;;) {
      const page = await reading.next();
      if (!page) return { gone };
      const message = page.messages.find((one) => one.id === id);
      if (message) return { message };
      gone ??= page.gaps.get(channel);
    }
  }

  /**
   * The channels whose names match, the one with the newest message first, `limit` at most; `total`: how many there are.
   * @param onScanned called now and then with the number of keys that were looked at
   */
  async channels(
    matches: (channel: string) => boolean,
    limit: number,
    onScanned: (count: number) => void,
  ): Promise<{ found: KnownChannel[]; total: number }> {
    const names = await this.#scanChannels(matches, onScanned);
    const counters = await this.backlog.counters(names);
    const all = names
      .map((channel, i) => ({ channel, ...counters[i]! }))
      .sort((a, b) => comparePositions(b.last, a.last));
    const shown = all.slice(0, limit);
    const kept = await Promise.all(
      shown.map(({ channel }) => this.#redis.xlen(this.#keys.backlog(channel)).catch(() => 0)),
    );
    return { found: shown.map((one, i) => ({ ...one, kept: kept[i]! })), total: all.length };
  }

  async #scanChannels(matches: (channel: string) => boolean, onScanned: (count: number) => void): Promise<string[]> {
    const [head, end] = [`${this.#keys.declared}:channel:`, ':msg_id'];
    const names = new Set<string>();
    let scanned = 0;
    for (let cursor = '0'; ; ) {
      const [next, keys] = await this.#redis.scan(cursor, 'MATCH', `${head}*${end}`, 'COUNT', PAGE);
      for (const key of keys) {
        const channel = key.slice(head.length, -end.length);
        if (matches(channel)) names.add(channel);
      }
      scanned += PAGE;
      onScanned(scanned);
      if (next === '0') return [...names];
      cursor = next;
    }
  }
}
