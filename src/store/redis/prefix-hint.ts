import type { Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { userOfChannel } from '../../message/names.ts';

/** By default, Laravel puts `<application>_database_` before all names. */
const LARAVEL = /^[\w.-]{1,50}_database_(?=[^:]+:)/;
/** A user's own channel after a prefix. */
const USERS_CHANNEL = /.(user:[^:]+)$/;
/** One look scans so many pages of so many keys: a few milliseconds of Redis's time. */
const PAGES = 20;
const PAGE = 500;
/** The least time between two looks (ms), and the most looks. */
const PAUSE = 5000;
const LOOKS = 20;

/**
 * Finds a prefix that the application's driver puts before names, and that this gateway is not configured with. The gateway then
 * delivers nothing: lists of users have other keys, and messages are published on other channels. Logs once which prefix it may be.
 */
export class PrefixHint {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #logger: Logger;
  #isDone = false;
  #looks = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param prefix the configured prefix */
  constructor(redis: Redis, prefix: string, logger: Logger) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#logger = logger;
  }

  /** To be called with the name of each plain PUBLISH that is received. */
  heard(name: string): void {
    if (this.#isDone || (this.#prefix !== '' && name.startsWith(this.#prefix))) return;
    const [laravel] = LARAVEL.exec(name) ?? [];
    if (laravel !== undefined) this.#say(laravel, `plain PUBLISHes are heard on ${name.slice(0, 128)}`);
    const user = userOfChannel(USERS_CHANNEL.exec(name)?.[1] ?? '');
    if (user !== undefined) this.noList(user);
  }

  /** To be called if there is no list of channels at the user's key. */
  noList(user: string): void {
    if (this.#isDone || this.#looks >= LOOKS || performance.now() < this.#lookedAt + PAUSE) return;
    this.#looks++;
    this.#lookedAt = performance.now();
    // If this look fails, another one may give the hint.
    void this.#look(`user:${user}:channels`).catch(() => undefined);
  }

  async #look(list: string): Promise<void> {
    let cursor = '0';
    for (let page = 0; page < PAGES; page++) {
      const [next, keys] = await this.#redis.scan(cursor, 'MATCH', `?*${list}`, 'COUNT', PAGE);
      const key = keys.find((name) => name !== this.#prefix + list);
      if (key !== undefined) {
        this.#say(key.slice(0, -list.length), `there is no list at ${this.#prefix}${list}, but one at ${key}`);
        return;
      }
      if (next === '0') return;
      cursor = next;
    }
  }

  #say(prefix: string, evidence: string): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const expected = `expected SISYPHUS_KEY_PREFIX=${prefix} if the driver of this application puts that before its names`;
    this.#logger.warn({ event: 'key_prefix_suspected', prefix }, `${evidence}; ${expected}`);
  }
}
