import type { Redis } from 'ioredis';
import type { Logger } from '../../logger.ts';
import { userOfChannel } from '../../message/names.ts';

/** Laravel puts `<application>_database_` before all names unless told otherwise. */
const LARAVEL = /^[\w.-]{1,50}_database_(?=[^:]+:)/;
/** Behind a prefix. */
const USERS_CHANNEL = /.(user:[^:]+)$/;
/** The keys that one look goes through: a few milliseconds of Redis's time, in pages. */
const PAGES = 20;
const PAGE = 500;
/** Between two looks (ms), and how many there are at most. */
const PAUSE = 5000;
const LOOKS = 20;

/**
 * A driver that puts a prefix before names makes the gateway silent: the list of a user is elsewhere, and what is published is on
 * another channel. This notices such names, and says once which prefix it may be.
 */
export class PrefixHint {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #logger: Logger;
  #isDone = false;
  #looks = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param prefix the one that is configured */
  constructor(redis: Redis, prefix: string, logger: Logger) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#logger = logger;
  }

  /** A plain PUBLISH went by. */
  heard(name: string): void {
    if (this.#isDone || (this.#prefix !== '' && name.startsWith(this.#prefix))) return;
    const [laravel] = LARAVEL.exec(name) ?? [];
    if (laravel !== undefined) this.#say(laravel, `plain PUBLISHes are heard on ${name.slice(0, 128)}`);
    const user = userOfChannel(USERS_CHANNEL.exec(name)?.[1] ?? '');
    if (user !== undefined) this.noList(user);
  }

  /** There is no list of channels where the user's should be. */
  noList(user: string): void {
    if (this.#isDone || this.#looks >= LOOKS || performance.now() < this.#lookedAt + PAUSE) return;
    this.#looks++;
    this.#lookedAt = performance.now();
    // The hint is lost, which another look may give.
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
