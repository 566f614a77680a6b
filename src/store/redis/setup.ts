import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { loadFunctionsIfAllowed } from './functions.ts';
import { inspectRedis } from './inspect.ts';
import { Backoff } from './pace.ts';
import type { Parts } from './parts.ts';
import { requireFit } from './probe.ts';
import type { RedisSettings } from './redis-settings.ts';
import type { Weakness } from './weaknesses.ts';

/** The least time between two probes (ms): connections may be lost many times a second. */
const PROBED = 2000;
/** After this (ms) Redis is probed again although nothing is refused: its ACL and its settings may be changed while gateways run. */
const PERIOD = 60_000;

export interface SetupOptions extends Parts {
  commands: Redis;
  settings: RedisSettings;
  /** The Redis ends with the gateway: it is not expected to keep anything. */
  isPrivate: boolean;
  /** Instead of `PERIOD`, for tests. */
  period?: number;
}

/** Configures Redis for its gateways, and tries the commands that they need. */
export class Setup {
  readonly #options: SetupOptions;
  readonly #closing = new AbortController();
  /** Counts the requests to configure Redis, and the last of them that was carried out. */
  #wanted = 0;
  #configured = 0;
  #isLooking = false;
  readonly #said = new Set<string>();
  #weaknesses: Weakness[] = [];
  #later: NodeJS.Timeout | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SetupOptions) {
    this.#options = options;
  }

  /** Why Redis keeps less than it could, as far as that is a reason to warn. */
  get weaknesses(): string[] {
    return this.#weaknesses.filter(({ event }) => isWarning(event)).map(({ reason }) => reason);
  }

  /** To be called at each connection, and if Redis has lost its memory: gives the functions the settings, such as how much is kept. */
  configure(): void {
    this.#wanted++;
    void this.look();
  }

  /** Configures Redis and tries the commands that a gateway needs, again and again for as long as anything is refused. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { commands, standing } = this.#options;
    const pause = new Backoff(500);
    const { signal } = this.#closing;
    do {
      await this.#configureNow();
      await this.#probe();
      if (this.#configured === this.#wanted && !standing.isRefused) break;
      await wait(pause.next(), undefined, { signal, ref: false }).catch(() => undefined);
      // If the connection is lost, `configure` is called when it is ready again.
    } while (!signal.aborted && commands.status === 'ready');
    this.#isLooking = false;
  }

  /**
   * Reports this gateway's configuration and probes Redis, if that is due. To be called again and again, for as long as the gateway lives.
   */
  remind(): void {
    const { period = PERIOD } = this.#options;
    if (performance.now() - this.#probedAt > period) void this.#probeAgain();
    if (this.#options.settings.isDue && this.#configured === this.#wanted) void this.#say();
  }

  /** Takes the version of the settings in effect, from a mark. */
  learn(version: number): void {
    if (this.#options.settings.isOutdated(version)) void this.#say();
  }

  close(): void {
    clearTimeout(this.#later);
    this.#closing.abort();
  }

  async #configureNow(): Promise<void> {
    const { commands, keys, settings, standing } = this.#options;
    if (commands.status !== 'ready') return;
    const wanted = this.#wanted;
    try {
      await requireFit(commands);
      await loadFunctionsIfAllowed(commands, keys);
      await settings.say();
      this.#configured = wanted;
      standing.worked('configuration');
      standing.wrote('commands');
    } catch (error) {
      standing.failed('configuration', error);
    }
  }

  async #probeAgain(): Promise<void> {
    if (this.#isLooking) return;
    await this.#probe();
    if (this.#options.standing.isRefused) await this.look();
  }

  async #say(): Promise<void> {
    const { settings, standing } = this.#options;
    try {
      await settings.say();
      standing.worked('configuration');
    } catch (error) {
      standing.failed('configuration', error);
    }
  }

  /** Probes Redis on a separate connection. Its failure is no trouble of its own: the other connections report the same. */
  async #probe(): Promise<void> {
    const { commands, url, keys, names, standing, logger } = this.#options;
    if (this.#closing.signal.aborted || commands.status !== 'ready') return;
    const early = standing.isRefused ? 0 : this.#probedAt + PROBED - performance.now();
    if (early > 0) {
      this.#later ??= setTimeout(() => {
        this.#later = undefined;
        void this.look();
      }, early).unref();
      return;
    }
    this.#probedAt = performance.now();
    try {
      const { lasting, state, weaknesses } = await inspectRedis(url, keys, names);
      standing.found(lasting);
      // Clear the trouble now: the next publication, which would clear it, may be long in coming.
      if (state.length === 0) standing.worked('publishing');
      this.#warn(weaknesses);
    } catch (error) {
      logger.debug({ event: 'probe_failed', reason: (error as Error).message });
    }
  }

  /** Logs each weakness once. There may be others later: a failover may lead to a Redis that is configured otherwise. */
  #warn(weaknesses: Weakness[]): void {
    const { isPrivate, logger } = this.#options;
    this.#weaknesses = weaknesses;
    for (const { event, ...fields } of weaknesses) {
      if (this.#said.has(fields.reason) || (isPrivate && event === 'redis_keeps_nothing')) continue;
      this.#said.add(fields.reason);
      logger[isWarning(event) ? 'warn' : 'info']({ event, ...fields });
    }
  }
}

/** How much Redis keeps on disk is the operator's choice, and no reason to warn. */
function isWarning(event: Weakness['event']): boolean {
  return !event.startsWith('redis_keeps');
}
