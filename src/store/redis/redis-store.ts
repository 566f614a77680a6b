import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import type { Trouble } from '../../hub/trouble.ts';
import type { Logger } from '../../logger.ts';
import type { Store } from '../store.ts';
import { closeConnection, openConnection, suspect, userOf } from './connection.ts';
import { callFunction, loadFunctionsIfAllowed } from './functions.ts';
import { Backoff } from './pace.ts';
import { probe, requireFit } from './probe.ts';
import { RedisBacklog } from './redis-backlog.ts';
import { RedisPlainSource } from './redis-plain-source.ts';
import { RedisSource } from './redis-source.ts';
import { Standing } from './standing.ts';

export type RedisStoreOptions = Pick<Config, 'backlog' | 'maxMessage' | 'rawChannels'> & {
  url: string;
  logger: Logger;
};

/** A command that is answered this often (ms) proves the connection alive. */
const HEARTBEAT = 700;
/** Connections may be lost many times a second: what Redis allows is tried so often at most (ms). */
const PROBED = 5000;

/** One connection for commands, one for the hub's subscriptions, one for the recorder. */
export class RedisStore implements Store {
  readonly kind = 'redis';
  readonly source: RedisSource;
  readonly backlog: RedisBacklog;
  /** `undefined` where no plain channels are recorded. */
  readonly plain: RedisPlainSource | undefined;
  readonly #commands: Redis;
  readonly #standing = new Standing();
  readonly #configuration: (string | number)[];
  readonly #rawChannels: string[];
  readonly #logger: Logger;
  readonly #url: string;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** Counts the times that Redis was to be configured, and the last of them that was done. */
  #wanted = 0;
  #configured = 0;
  #isLooking = false;
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor({ url, logger, backlog, maxMessage, rawChannels }: RedisStoreOptions) {
    this.#logger = logger;
    this.#url = url;
    this.#rawChannels = rawChannels;
    const standing = this.#standing;
    this.#commands = openConnection(url, 'commands', standing);
    this.backlog = new RedisBacklog(this.#commands, backlog, standing);
    this.source = new RedisSource(openConnection(url, 'hub', standing), url, logger, standing);
    if (rawChannels.length > 0) {
      const hearing = openConnection(url, 'recorder', standing);
      this.plain = new RedisPlainSource(hearing, this.#commands, url, rawChannels, standing);
    }
    const rules = backlog.rules.map(({ pattern, length }) => `${pattern}=${length}`).join(' ');
    this.#configuration = [backlog.length, backlog.ttl, rules, maxMessage];
    this.#commands.on('ready', () => {
      this.configure();
      this.#warnOfEviction();
    });
    standing.onRefused = () => void this.#look();
    this.#heartbeat = setInterval(() => void this.ping(), HEARTBEAT).unref();
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
      await loadFunctionsIfAllowed(this.#commands);
      await callFunction(this.#commands, 'sisyphus_configure', this.#configuration);
      this.#configured = wanted;
      this.#standing.worked('configuration');
      this.#standing.wrote('commands');
    } catch (error) {
      this.#standing.failed('configuration', error);
    }
  }

  /** On a connection of its own, whose failure says nothing that the others would not say. */
  async #probe(): Promise<void> {
    const isDue = this.#standing.isRefused || performance.now() - this.#probedAt > PROBED;
    if (!isDue || this.#closing.signal.aborted || this.#commands.status !== 'ready') return;
    this.#probedAt = performance.now();
    const redis = openConnection(this.#url, 'probe');
    try {
      await once(redis, 'ready', { signal: AbortSignal.timeout(2000) });
      const { lasting, state } = await probe(redis, { user: userOf(this.#url), patterns: this.#rawChannels });
      this.#standing.found(lasting);
      // Nobody may publish for a long time, and find out.
      if (state.length === 0) this.#standing.worked('publishing');
    } catch (error) {
      this.#logger.debug({ event: 'probe_failed', reason: (error as Error).message });
    } finally {
      await closeConnection(redis);
    }
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
    if (this.#commands.status !== 'ready') return false;
    try {
      await this.#commands.ping();
      return true;
    } catch (error) {
      suspect(this.#commands, this.#url, error);
      return false;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#closing.abort();
    await Promise.all([closeConnection(this.#commands), this.source.close(), this.plain?.close()]);
  }
}
