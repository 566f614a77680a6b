import type { Redis } from 'ioredis';
import type { Retention } from '../../backlog/backlog.ts';
import { type CollectionConfig, sharedCollections } from '../../config/collections.ts';
import type { Config } from '../../config/config.ts';
import type { RedisTls } from '../../config/redis-certificates.ts';
import { parseRedisUrl } from '../../config/redis-url.ts';
import type { Trouble } from '../../hub/trouble.ts';
import type { Logger } from '../../logger.ts';
import type { Position } from '../../message/position.ts';
import type { Store } from '../store.ts';
import { closeConnection, connect, createConnection, renewCertificates, suspect } from './connection.ts';
import { Keys } from './keys.ts';
import { PlainNames } from './plain-names.ts';
import { PrefixHint } from './prefix-hint.ts';
import { Progress } from './progress.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisCollections } from './redis-collections.ts';
import { RedisDirectPublisher } from './redis-direct-publisher.ts';
import { RedisFleetLimit } from './redis-fleet-limit.ts';
import { RedisFleetReports } from './redis-fleet-reports.ts';
import { RedisInbox } from './redis-inbox.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisPolls } from './redis-polls.ts';
import { RedisSettings } from './redis-settings.ts';
import { RedisSource } from './redis-source.ts';
import { RedisTokens } from './redis-tokens.ts';
import { Setup } from './setup.ts';
import { Standing } from './standing.ts';
import { type RedisTarget, urlOf } from './target.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> &
  Partial<Pick<Config, 'namespace' | 'keyPrefix' | 'maxBuffer' | 'maxStreamsPerUser'>> & {
    url: RedisTarget;
    collections?: readonly CollectionConfig[];
    logger: Logger;
    /** The Redis ends with the gateway: it is not expected to keep anything. */
    isPrivate?: boolean;
    /** Whether poll sessions are kept. */
    hasPolls?: boolean;
    /** Called with the time of each round trip (s). */
    onRoundTrip?: ((took: number) => void) | undefined;
    /** Whether what browsers send is forwarded. */
    forwards?: boolean;
    /** The name of the gateway that this process is one of several workers of. */
    gateway?: string | undefined;
  };

/** A command is sent this often (ms): its answer proves that the connection is alive. */
const HEARTBEAT = 700;

/** One connection for commands, one for lists and missed messages, one for the hub's subscriptions, one for the recorder. */
export class RedisStore implements Store {
  readonly kind = 'redis';
  readonly source: RedisSource;
  readonly backlog: RedisBacklog;
  readonly collections: RedisCollections;
  readonly tokens: RedisTokens;
  readonly settings: RedisSettings;
  readonly plain: RedisPlainSource | undefined;
  readonly fleetLimit: RedisFleetLimit | undefined;
  readonly reports: RedisFleetReports;
  readonly direct: RedisDirectPublisher;
  readonly polls: RedisPolls | undefined;
  readonly inbox: RedisInbox | undefined;
  readonly #options: RedisStoreOptions;
  readonly #commands: Redis;
  readonly #replays: Redis;
  /** Connections that only some gateways have. */
  readonly #others: Redis[];
  readonly #connections: Redis[] = [];
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #standing = new Standing(() => void this.#setup.look());
  readonly #setup: Setup;
  readonly #progress: Progress;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: RedisStoreOptions) {
    const { url, logger, backlog, maxMessage, maxBuffer, rawChannels, namespace, keyPrefix = '' } = options;
    const { collections = [] } = options;
    const keys = new Keys(namespace, parseRedisUrl(urlOf(url)).database);
    const names = new PlainNames(rawChannels, keyPrefix);
    const standing = this.#standing;
    const connection = (name: string): Redis => {
      const redis = createConnection(url, name, standing);
      this.#connections.push(redis);
      return redis;
    };
    const commands = connection('commands');
    const replays = connection('replays');
    const redis = connection('hub');
    const hearing = rawChannels.length > 0 ? connection('recorder') : undefined;
    const news = options.hasPolls ? connection('polls') : undefined;
    const hint = new PrefixHint(commands, keyPrefix, logger);
    const own = { backlog, maxMessage, rawChannels, collections: sharedCollections(collections) };
    const settings = new RedisSettings({ commands, keys, names, own, maxBuffer, logger });
    const { isPrivate = false } = options;
    const setup = new Setup({ commands, url, keys, names, settings, standing, isPrivate, logger });
    this.#options = options;
    this.#commands = commands;
    this.#replays = replays;
    this.#keys = keys;
    this.#names = names;
    this.#setup = setup;
    this.settings = settings;
    const { maxStreamsPerUser: limit, gateway } = options;
    const counting = { redis: replays, keys, logger, gateway };
    this.fleetLimit = limit === undefined ? limit : new RedisFleetLimit({ ...counting, limit });
    this.reports = new RedisFleetReports(commands, keys);
    this.direct = new RedisDirectPublisher({ commands, keys, names, url });
    const ttl = (): number => settings.current.backlog.ttl;
    const retention = (channel: string): Retention => settings.retention(channel);
    const onNoList = (user: string): void => hint.noList(user);
    this.backlog = new RedisBacklog({ commands, replays, keys, ttl, retention, standing, logger, onNoList });
    this.collections = new RedisCollections({ commands, replays, keys });
    this.tokens = new RedisTokens({ commands, replays, keys });
    this.polls = news && new RedisPolls({ commands, hearing: news, keys });
    const waiting = options.forwards ? connection('inbox') : undefined;
    this.inbox = news && new RedisInbox({ commands, waiting: waiting ?? commands, keys });
    this.#others = [news, waiting].filter((one) => one !== undefined);
    this.source = new RedisSource({ redis, url, keys, names, standing, setup, logger });
    const onName = (name: string): void => hint.heard(name);
    this.plain = hearing && new RedisPlainSource({ hearing, commands, url, keys, names, standing, onName, logger });
    this.#progress = new Progress(this.#connections);
    commands.on('ready', () => setup.configure());
  }

  get maxMessage(): number {
    return this.settings.current.maxMessage;
  }

  get isSettled(): boolean {
    const isCounted = this.fleetLimit?.hasBegun ?? true;
    return this.settings.version > 0 && this.settings.problems.length === 0 && isCounted;
  }

  retention(channel: string): Retention {
    return this.settings.retention(channel);
  }

  recordsPlain(channel: string): boolean {
    return this.#names.record(channel);
  }

  localTime(id: Position): number | undefined {
    return this.source.localTime(id);
  }

  troubles(): Trouble[] {
    return this.#standing.troubles();
  }

  weaknesses(): string[] {
    const { clockWarning } = this.source;
    return clockWarning === undefined ? this.#setup.weaknesses : [...this.#setup.weaknesses, clockWarning];
  }

  start(): void {
    if (this.#closed || this.#heartbeat) return;
    this.#warnOfSharedChannels();
    for (const redis of this.#connections) connect(redis);
    this.#heartbeat = setInterval(() => {
      void this.ping();
      void this.#isAnswered(this.#replays);
      for (const redis of this.#others) void this.#isAnswered(redis);
      this.#setup.remind();
      this.fleetLimit?.beat();
    }, HEARTBEAT).unref();
  }

  configure(): void {
    this.#setup.configure();
  }

  useCertificates(tls: RedisTls): void {
    const { url } = this.#options;
    // For connections that are opened later, such as those that find out whether Redis answers.
    if (typeof url !== 'string') Object.assign(url.tls, tls);
    for (const redis of this.#connections) renewCertificates(redis, tls);
  }

  async ping(): Promise<boolean> {
    const asked = performance.now();
    const isAnswered = await this.#isAnswered(this.#commands);
    if (isAnswered) this.#options.onRoundTrip?.((performance.now() - asked) / 1000);
    return isAnswered;
  }

  hasSpoken(): boolean {
    return this.#progress.look();
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  /** PUBLISH knows neither databases nor namespaces: every installation receives the plain PUBLISHes of every application. */
  #warnOfSharedChannels(): void {
    const { namespace, keyPrefix: prefix = '', rawChannels: patterns, logger } = this.#options;
    const { database } = this.#keys;
    if (patterns.length === 0 || (namespace === undefined && database === 0)) return;
    if (prefix !== '' && patterns.every((pattern) => pattern.startsWith(prefix))) return;
    const own = prefix || `${namespace ?? `db${database}`}:`;
    logger.warn(
      { event: 'plain_channels_shared', namespace, database, patterns },
      `plain channels have neither a database nor a namespace: what other applications publish on this Redis on ${patterns.join(' ')} ` +
        `is recorded here too; expected SISYPHUS_KEY_PREFIX=${own} and SISYPHUS_RAW_CHANNELS=${own}*:* if this application puts ` +
        `${own} before its names, or an empty SISYPHUS_RAW_CHANNELS if it publishes by FCALL or HTTP`,
    );
  }

  async #isAnswered(redis: Redis): Promise<boolean> {
    if (redis.status !== 'ready') return false;
    try {
      await redis.ping();
      return true;
    } catch (error) {
      suspect(redis, this.#options.url, error);
      return false;
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#setup.close();
    await Promise.all([this.settings.leave(), this.fleetLimit?.close()]);
    await Promise.all([this.source.close(), ...this.#connections.map(closeConnection)]);
  }
}
