import type { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import type { Logger } from '../../logger.ts';
import type { Store } from '../store.ts';
import { closeConnection, openConnection, suspect } from './connection.ts';
import { callFunction, loadFunctions } from './functions.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisSource } from './redis-source.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> & {
  url: string;
  logger: Logger;
};

/** A command that is answered this often (ms) proves the connection alive. */
const HEARTBEAT = 700;

/** One connection for commands, one for what readers have missed, one for the hub's subscriptions, one for the recorder. */
export class RedisStore implements Store {
  readonly kind = 'redis';
  readonly source: RedisSource;
  readonly backlog: RedisBacklog;
  /** `undefined` where no plain channels are recorded. */
  readonly plain: RedisPlainSource | undefined;
  readonly #commands: Redis;
  readonly #replays: Redis;
  readonly #configuration: (string | number)[];
  readonly #logger: Logger;
  readonly #url: string;
  readonly #heartbeat: NodeJS.Timeout;

  constructor({ url, logger, backlog, maxMessage, rawChannels }: RedisStoreOptions) {
    this.#logger = logger;
    this.#url = url;
    this.#commands = openConnection(url, 'commands', logger);
    this.#replays = openConnection(url, 'replays', logger);
    this.backlog = new RedisBacklog(this.#commands, backlog, this.#replays);
    this.source = new RedisSource(openConnection(url, 'hub', logger), url, logger);
    if (rawChannels.length > 0) {
      this.plain = new RedisPlainSource(openConnection(url, 'recorder', logger), this.#commands, url, rawChannels);
    }
    const rules = backlog.rules.map(({ pattern, length }) => `${pattern}=${length}`).join(' ');
    this.#configuration = [backlog.length, backlog.ttl, rules, maxMessage];
    this.#commands.on('ready', () => {
      this.configure();
      this.#warnOfEviction();
    });
    this.#heartbeat = setInterval(() => {
      void this.ping();
      void this.#isAnswered(this.#replays);
    }, HEARTBEAT).unref();
  }

  /** Tells the functions how much is kept: at each connection, and when Redis has lost its memory. */
  configure(): void {
    loadFunctions(this.#commands)
      .then(() => callFunction(this.#commands, 'sisyphus_configure', this.#configuration))
      .catch((error: Error) => this.#logger.error({ event: 'configure_refused', reason: error.message }));
  }

  /** What Redis evicts is gone without a word: backlogs, who may see what, and the clock. */
  #warnOfEviction(): void {
    this.#commands.info('memory').then(
      (info) => {
        const [, policy] = /^maxmemory_policy:(\S+)/m.exec(info) ?? [];
        if (/^maxmemory:0\b/m.test(info) || policy === 'noeviction') return;
        this.#logger.warn({ event: 'redis_evicts', policy }, 'maxmemory-policy noeviction is right');
      },
      // Managed Redis may not allow it.
      () => undefined,
    );
  }

  async ping(): Promise<boolean> {
    return this.#isAnswered(this.#commands);
  }

  async #isAnswered(redis: Redis): Promise<boolean> {
    if (redis.status !== 'ready') return false;
    try {
      await redis.ping();
      return true;
    } catch (error) {
      suspect(redis, this.#url, error);
      return false;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    await Promise.all([
      closeConnection(this.#commands),
      closeConnection(this.#replays),
      this.source.close(),
      this.plain?.close(),
    ]);
  }
}
