import type { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import type { Logger } from '../../logger.ts';
import { parseRedisUrl } from '../../redis-url.ts';
import type { Store } from '../store.ts';
import { closeConnection, openConnection, suspect } from './connection.ts';
import { callFunction, loadFunctions } from './functions.ts';
import { Keys } from './keys.ts';
import { PlainNames } from './plain-names.ts';
import { PrefixHint } from './prefix-hint.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisSource } from './redis-source.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> &
  Partial<Pick<Config, 'namespace' | 'keyPrefix'>> & {
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
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #configuration: (string | number)[];
  readonly #logger: Logger;
  readonly #url: string;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(options: RedisStoreOptions) {
    const { url, logger, backlog, maxMessage, rawChannels, namespace, keyPrefix = '' } = options;
    const keys = new Keys(namespace, parseRedisUrl(url).database);
    const names = new PlainNames(rawChannels, keyPrefix);
    this.#logger = logger;
    this.#url = url;
    this.#keys = keys;
    this.#names = names;
    const commands = openConnection(url, 'commands', logger);
    this.#commands = commands;
    this.#replays = openConnection(url, 'replays', logger);
    const hint = new PrefixHint(commands, keyPrefix, logger);
    const onNoList = (user: string): void => hint.noList(user);
    this.backlog = new RedisBacklog(commands, keys, backlog, logger, onNoList, this.#replays);
    const configure = (): void => this.configure();
    this.source = new RedisSource({
      redis: openConnection(url, 'hub', logger),
      url,
      keys,
      names,
      logger,
      configure,
    });
    if (rawChannels.length > 0) {
      const hearing = openConnection(url, 'recorder', logger);
      const onName = (name: string): void => hint.heard(name);
      this.plain = new RedisPlainSource({ hearing, commands, url, keys, names, onName });
      this.#warnOfSharedChannels(rawChannels, namespace, keyPrefix);
    }
    const rules = backlog.rules.map(({ pattern, length }) => `${pattern}=${length}`).join(' ');
    this.#configuration = [backlog.length, backlog.ttl, rules, maxMessage, keys.database, keyPrefix];
    this.#commands.on('ready', () => {
      this.configure();
      this.#warnOfEviction();
    });
    this.#heartbeat = setInterval(() => {
      void this.ping();
      void this.#isAnswered(this.#replays);
    }, HEARTBEAT).unref();
  }

  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain(channel: string): boolean {
    return this.#names.record(channel);
  }

  /** Tells the functions how much is kept: at each connection, and when Redis has lost its memory. */
  configure(): void {
    loadFunctions(this.#commands, this.#keys)
      .then(() => callFunction(this.#commands, this.#keys, 'sisyphus_configure', this.#configuration))
      .catch((error: Error) => this.#logger.error({ event: 'configure_refused', reason: error.message }));
  }

  /** PUBLISH knows neither databases nor namespaces: what one application publishes plainly, every installation hears. */
  #warnOfSharedChannels(patterns: string[], namespace: string | undefined, prefix: string): void {
    const { database } = this.#keys;
    if (namespace === undefined && database === 0) return;
    if (prefix !== '' && patterns.every((pattern) => pattern.startsWith(prefix))) return;
    const own = prefix || `${namespace ?? `db${database}`}:`;
    this.#logger.warn(
      { event: 'plain_channels_shared', namespace, database, patterns },
      `plain channels have neither a database nor a namespace: what other applications publish on this Redis on ${patterns.join(' ')} ` +
        `is recorded here too; expected SISYPHUS_KEY_PREFIX=${own} and SISYPHUS_RAW_CHANNELS=${own}*:* if this application puts ` +
        `${own} before its names, or an empty SISYPHUS_RAW_CHANNELS if it publishes by FCALL or HTTP`,
    );
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
