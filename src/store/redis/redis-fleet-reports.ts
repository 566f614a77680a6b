import type { Redis } from 'ioredis';
import type { FleetReports } from '../../backlog/fleet-reports.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { rethrow } from './redis-error.ts';

/** How long the key is kept after the last report (ms). It must not end while a fleet is watched; see lua/functions/streams.lua. */
const KEPT = 3_600_000;

/** One hash, a field for each gateway. It is read and written by plain commands, because nothing depends on it. */
export class RedisFleetReports implements FleetReports {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #key: string;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#key = keys.reports;
  }

  async write(gateway: string, text: string): Promise<void> {
    await this.#write(() =>
      Promise.all([this.#redis.hset(this.#key, gateway, text), this.#redis.pexpire(this.#key, KEPT)]),
    );
  }

  async read(): Promise<Map<string, string>> {
    return new Map(Object.entries(await this.#redis.hgetall(this.#key).catch(rethrow)));
  }

  async remove(gateways: readonly string[]): Promise<void> {
    if (gateways.length === 0) return;
    await this.#write(() => this.#redis.hdel(this.#key, ...gateways));
  }

  /**
   * A function comes before each write: it looks at the replication id, because what a promoted server has written before that look counts as
   * PUBLISHes that nobody has heard (lua/replication.lua).
   */
  async #write(write: () => Promise<unknown>): Promise<void> {
    await callFunction(this.#redis, this.#keys, 'sisyphus_mark', [0]).then(write).catch(rethrow);
  }
}
