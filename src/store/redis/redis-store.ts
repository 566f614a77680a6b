import type { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import type { Trouble } from '../../hub/trouble.ts';
import type { Logger } from '../../logger.ts';
import { parseRedisUrl } from '../../redis-url.ts';
import type { Store } from '../store.ts';
import { closeConnection, openConnection, suspect } from './connection.ts';
import { Keys } from './keys.ts';
import { PlainNames } from './plain-names.ts';
import { PrefixHint } from './prefix-hint.ts';
import { Progress } from './progress.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisSettings } from './redis-settings.ts';
import { RedisSource } from './redis-source.ts';
import { Setup } from './setup.ts';
import { Standing } from './standing.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> &
  Partial<Pick<Config, 'namespace' | 'keyPrefix'>> & {
    url: string;
    logger: Logger;
    /** It ends with the gateway: nobody expects it to keep anything. */
    isPrivate?: boolean;
  };

/** A command that is answered this often (ms) proves the connection alive. */
const HEARTBEAT = 700;

/** One connection for commands, one for what readers have missed, one for the hub's subscriptions, one for the recorder. */
export class RedisStore implements Store {
  readonly kind = 'redis';
  readonly source: RedisSource;
  readonly backlog: RedisBacklog;
  readonly settings: RedisSettings;
  /** `undefined` where no plain channels are recorded. */
  readonly plain: RedisPlainSource | undefined;
  readonly #commands: Redis;
  readonly #replays: Redis;
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #standing = new Standing(() => void this.#setup.look());
  readonly #setup: Setup;
  readonly #logger: Logger;
  readonly #url: string;
  readonly #progress: Progress;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(options: RedisStoreOptions) {
    const { url, logger, backlog, maxMessage, rawChannels, namespace, keyPrefix = '', isPrivate = false } = options;
    const keys = new Keys(namespace, parseRedisUrl(url).database);
    const names = new PlainNames(rawChannels, keyPrefix);
    this.#logger = logger;
    this.#url = url;
    this.#keys = keys;
    this.#names = names;
    const standing = this.#standing;
    const commands = openConnection(url, 'commands', standing);
    this.#commands = commands;
    const hint = new PrefixHint(commands, keyPrefix, logger);
    const own = { backlog, maxMessage, rawChannels };
    const settings = new RedisSettings({ commands, keys, names, own, logger });
    const setup = new Setup({ commands, url, keys, names, settings, standing, isPrivate, logger });
    this.#setup = setup;
    this.settings = settings;
    const replays = openConnection(url, 'replays', standing);
    this.#replays = replays;
    const onNoList = (user: string): void => hint.noList(user);
    const ttl = (): number => settings.current.backlog.ttl;
    this.backlog = new RedisBacklog({ commands, replays, keys, ttl, standing, logger, onNoList });
    const redis = openConnection(url, 'hub', standing);
    this.source = new RedisSource({ redis, url, keys, names, standing, setup, logger });
    const connections = [commands, replays, redis];
    if (rawChannels.length > 0) {
      const hearing = openConnection(url, 'recorder', standing);
      const onName = (name: string): void => hint.heard(name);
      connections.push(hearing);
      this.plain = new RedisPlainSource({ hearing, commands, url, keys, names, standing, onName, logger });
      this.#warnOfSharedChannels(rawChannels, namespace, keyPrefix);
    }
    this.#progress = new Progress(connections);
    commands.on('ready', () => setup.configure());
    this.#heartbeat = setInterval(() => {
      void this.ping();
      void this.#isAnswered(this.#replays);
      setup.remind();
    }, HEARTBEAT).unref();
  }

  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain(channel: string): boolean {
    return this.#names.record(channel);
  }

  troubles(): Trouble[] {
    return this.#standing.troubles();
  }

  /** Tells the functions how much is kept: at each connection, and when Redis has lost its memory. */
  configure(): void {
    this.#setup.configure();
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

  async ping(): Promise<boolean> {
    return this.#isAnswered(this.#commands);
  }

  hasSpoken(): boolean {
    return this.#progress.look();
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
    this.#setup.close();
    await this.settings.leave();
    await Promise.all([
      closeConnection(this.#commands),
      closeConnection(this.#replays),
      this.source.close(),
      this.plain?.close(),
    ]);
  }
}
