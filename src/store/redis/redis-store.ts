import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import type { Trouble } from '../../hub/trouble.ts';
import type { Logger } from '../../logger.ts';
import { parseRedisUrl } from '../../redis-url.ts';
import type { Store } from '../store.ts';
import { closeConnection, openConnection, suspect } from './connection.ts';
import { loadFunctionsIfAllowed } from './functions.ts';
import { inspectRedis } from './inspect.ts';
import { Keys } from './keys.ts';
import { Backoff } from './pace.ts';
import { PlainNames } from './plain-names.ts';
import { PrefixHint } from './prefix-hint.ts';
import { requireFit } from './probe.ts';
import { Progress } from './progress.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisSettings } from './redis-settings.ts';
import { RedisSource } from './redis-source.ts';
import { Standing } from './standing.ts';
import type { Weakness } from './weaknesses.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> &
  Partial<Pick<Config, 'namespace' | 'keyPrefix'>> & {
    url: string;
    logger: Logger;
    /** It ends with the gateway: nobody expects it to keep anything. */
    isPrivate?: boolean;
  };

/** A command that is answered this often (ms) proves the connection alive. */
const HEARTBEAT = 700;
/** Connections may be lost many times a second: what Redis allows is tried so often at most (ms). */
const PROBED = 2000;

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
  readonly #standing = new Standing();
  readonly #isPrivate: boolean;
  readonly #logger: Logger;
  readonly #url: string;
  readonly #progress: Progress;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** Counts the times that Redis was to be configured, and the last of them that was done. */
  #wanted = 0;
  #configured = 0;
  #isLooking = false;
  readonly #said = new Set<string>();
  #later: NodeJS.Timeout | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RedisStoreOptions) {
    const { url, logger, backlog, maxMessage, rawChannels, namespace, keyPrefix = '', isPrivate = false } = options;
    const keys = new Keys(namespace, parseRedisUrl(url).database);
    const names = new PlainNames(rawChannels, keyPrefix);
    this.#logger = logger;
    this.#url = url;
    this.#keys = keys;
    this.#names = names;
    this.#isPrivate = isPrivate;
    const standing = this.#standing;
    const commands = openConnection(url, 'commands', standing);
    this.#commands = commands;
    const hint = new PrefixHint(commands, keyPrefix, logger);
    const own = { backlog, maxMessage, rawChannels };
    const settings = new RedisSettings({ commands, keys, names, own, logger });
    this.settings = settings;
    const replays = openConnection(url, 'replays', standing);
    this.#replays = replays;
    const onNoList = (user: string): void => hint.noList(user);
    const ttl = (): number => settings.current.backlog.ttl;
    this.backlog = new RedisBacklog({ commands, replays, keys, ttl, standing, logger, onNoList });
    const configure = (): void => this.configure();
    const redis = openConnection(url, 'hub', standing);
    const onSettings = (version: number): void => {
      if (settings.isOutdated(version)) void this.#say();
    };
    this.source = new RedisSource({ redis, url, keys, names, standing, logger, configure, onSettings });
    const connections = [commands, replays, redis];
    if (rawChannels.length > 0) {
      const hearing = openConnection(url, 'recorder', standing);
      const onName = (name: string): void => hint.heard(name);
      connections.push(hearing);
      this.plain = new RedisPlainSource({ hearing, commands, url, keys, names, standing, onName, logger });
      this.#warnOfSharedChannels(rawChannels, namespace, keyPrefix);
    }
    this.#progress = new Progress(connections);
    this.#commands.on('ready', () => this.configure());
    standing.onRefused = () => void this.#look();
    this.#heartbeat = setInterval(() => {
      void this.ping();
      void this.#isAnswered(this.#replays);
      if (settings.isDue && this.#configured === this.#wanted) void this.#say();
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
    this.#wanted++;
    void this.#look();
  }

  /** Configures Redis and tries what a gateway needs, again and again for as long as anything is refused. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const pause = new Backoff(500);
    const { signal } = this.#closing;
    do {
      await this.#configureNow();
      await this.#probe();
      if (this.#configured === this.#wanted && !this.#standing.isRefused) break;
      await wait(pause.next(), undefined, { signal, ref: false }).catch(() => undefined);
      // A connection that is not there brings us back here when it is.
    } while (!signal.aborted && this.#commands.status === 'ready');
    this.#isLooking = false;
  }

  async #configureNow(): Promise<void> {
    if (this.#commands.status !== 'ready') return;
    const wanted = this.#wanted;
    try {
      await requireFit(this.#commands);
      await loadFunctionsIfAllowed(this.#commands, this.#keys);
      await this.settings.say();
      this.#configured = wanted;
      this.#standing.worked('configuration');
      this.#standing.wrote('commands');
    } catch (error) {
      this.#standing.failed('configuration', error);
    }
  }

  /** Again and again, for as long as the gateway lives. */
  async #say(): Promise<void> {
    try {
      await this.settings.say();
      this.#standing.worked('configuration');
    } catch (error) {
      this.#standing.failed('configuration', error);
    }
  }

  /** On a connection of its own, whose failure says nothing that the others would not say. */
  async #probe(): Promise<void> {
    if (this.#closing.signal.aborted || this.#commands.status !== 'ready') return;
    const early = this.#standing.isRefused ? 0 : this.#probedAt + PROBED - performance.now();
    if (early > 0) {
      this.#later ??= setTimeout(() => {
        this.#later = undefined;
        void this.#look();
      }, early).unref();
      return;
    }
    this.#probedAt = performance.now();
    try {
      const { lasting, state, weaknesses } = await inspectRedis(this.#url, this.#keys, this.#names);
      this.#standing.found(lasting);
      // Nobody may publish for a long time, and find out.
      if (state.length === 0) this.#standing.worked('publishing');
      this.#warn(weaknesses);
    } catch (error) {
      this.#logger.debug({ event: 'probe_failed', reason: (error as Error).message });
    }
  }

  /** Once for each: a failover may lead to a Redis that is set up otherwise. */
  #warn(weaknesses: Weakness[]): void {
    for (const { event, ...fields } of weaknesses) {
      if (this.#said.has(fields.reason) || (this.#isPrivate && event === 'redis_keeps_nothing')) continue;
      this.#said.add(fields.reason);
      // What it keeps is a choice.
      this.#logger[event.startsWith('redis_keeps') ? 'info' : 'warn']({ event, ...fields });
    }
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
    clearTimeout(this.#later);
    this.#closing.abort();
    await this.settings.leave();
    await Promise.all([
      closeConnection(this.#commands),
      closeConnection(this.#replays),
      this.source.close(),
      this.plain?.close(),
    ]);
  }
}
