import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { Logger } from '../logger.ts';
import { Repeats } from '../repeats.ts';
import type { SessionRegistry } from './session-registry.ts';

/** Interval between two checks (ms). */
const PERIOD = 200;
/** The most that the time between two checks counts (ms). In the time beyond it this process did not run, so Redis may have been there. */
const MOST_BETWEEN = 2 * PERIOD;
/** Streams are closed if the hub has had no answer for this long (ms), even if Redis answers on other connections. */
const DEAF = 60_000;
/** A loss of Redis that is over by then is not logged (ms). Longer ones that repeat are logged once a minute (see `Repeats`). */
const NOTICED = 1000;
/** Shortest interval between two log lines with the number of readers turned away and of streams ended (ms). */
const COUNTED = 10_000;
/** A refusal that was not seen for this long is over (ms). */
const OVER = 2000;

export interface OutageOptions {
  hub: Pick<Hub, 'downSince'>;
  sessions: Pick<SessionRegistry, 'streams' | 'closeAll' | 'turnedAwayFor'>;
  counters: Pick<Counters, 'snapshot'>;
  /** The present troubles of the store. */
  troubles: () => Trouble[];
  /** Whether Redis has sent anything, on any connection, since the last call of this function. */
  hasSpoken: () => boolean;
  /** How long streams stay open while Redis is away (ms). */
  grace: number;
  logger: Logger;
  now?: () => number;
}

/** The number of readers turned away, and of streams ended, because of Redis. */
type Cost = Record<'turnedAway' | 'ended', number>;

/** An outage that is not over: the store is away. */
interface Away {
  /** When it began (ms). */
  since: number;
  /** The numbers when it began. */
  before: Cost;
  /** Whether the log has a line about it. */
  isSaid: boolean;
}

/** A time in which the store answers, but refuses something. */
interface Refusal {
  /** When it began (ms). */
  since: number;
  /** When it was last seen (ms). */
  seenAt: number;
  /** Whether the log has a line about it. */
  isSaid: boolean;
}

/**
 * Acts if the store is away, or refuses something. Streams are closed after the grace. The log gets one line when it begins, now and
 * then the number of readers turned away, and one line when it is over.
 */
export class Outage {
  readonly #options: OutageOptions;
  readonly #now: () => number;
  readonly #repeats: Repeats;
  #timer: NodeJS.Timeout | undefined;
  #checkedAt: number | undefined;
  /** How long the hub has had no answer (`ofHub`), and how long no connection has had one (`ofAll`): ms in which this process ran. */
  #silence = { downSince: undefined as number | undefined, ofHub: 0, ofAll: 0 };
  #away: Away | undefined;
  /** The present refusals, keyed by reason. */
  readonly #refusals = new Map<string, Refusal>();
  /** The numbers that were last logged, and when (ms). */
  #counted: Cost & { at: number } = { turnedAway: 0, ended: 0, at: Number.NEGATIVE_INFINITY };

  constructor(options: OutageOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#repeats = new Repeats(this.#now);
  }

  start(): void {
    this.#timer = setInterval(() => this.check(), PERIOD).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  check(): void {
    const { hub, sessions, grace } = this.#options;
    const now = this.#now();
    const troubles = this.#options.troubles();
    this.#followRefusals(troubles, now);
    this.#followAway(troubles, now, this.#cost);
    this.#followSilence(troubles, now);
    const { ofHub, ofAll } = this.#silence;
    const isAway = hub.downSince !== undefined && (ofAll > grace || ofHub > Math.max(grace, DEAF));
    if (isAway && sessions.streams > 0) sessions.closeAll('redis');
    this.#count(now, this.#cost);
  }

  /** As long as Redis answers on any connection, it is slow, not away, unless it refuses commands that every stream needs. */
  #followSilence(troubles: Trouble[], now: number): void {
    const { hub, hasSpoken } = this.#options;
    const ran = Math.min(Math.max(now - (this.#checkedAt ?? now), 0), MOST_BETWEEN);
    this.#checkedAt = now;
    const isHeard = hasSpoken() && !troubles.some(({ stops }) => stops === 'readers');
    const { downSince, ofHub, ofAll } = this.#silence;
    if (hub.downSince === undefined) this.#silence = { downSince: undefined, ofHub: 0, ofAll: 0 };
    else if (hub.downSince !== downSince) {
      const since = Math.min(ran, Math.max(now - hub.downSince, 0));
      this.#silence = { downSince: hub.downSince, ofHub: since, ofAll: since };
    } else this.#silence = { downSince, ofHub: ofHub + ran, ofAll: isHeard ? 0 : ofAll + ran };
  }

  #followRefusals(troubles: Trouble[], now: number): void {
    const { logger } = this.#options;
    for (const { reason, detail, stops } of troubles) {
      if (stops === 'all') continue;
      const { since, isSaid } = this.#refusals.get(reason) ?? { since: now, isSaid: false };
      const isDue = this.#repeats.due(`refuses ${reason}`) > 0;
      if (isDue) logger.warn({ event: 'redis_refuses', stops, reason, ...(detail !== reason && { detail }) });
      this.#refusals.set(reason, { since, seenAt: now, isSaid: isSaid || isDue });
    }
    for (const [reason, { since, seenAt, isSaid }] of this.#refusals) {
      if (now - seenAt < OVER) continue;
      this.#refusals.delete(reason);
      if (isSaid) logger.info({ event: 'redis_refuses_no_more', reason, milliseconds: Math.round(seenAt - since) });
    }
  }

  get #cost(): Cost {
    const { refused, closed } = this.#options.counters.snapshot();
    return { turnedAway: refused.redis ?? 0, ended: closed.redis ?? 0 };
  }

  #followAway(troubles: Trouble[], now: number, cost: Cost): void {
    const { hub, logger } = this.#options;
    const trouble = troubles.find(({ stops }) => stops !== 'publishing');
    if (hub.downSince === undefined && trouble?.stops !== 'all') {
      const away = this.#away;
      this.#away = undefined;
      if (!away?.isSaid) return;
      logger.info({ event: 'redis_back', milliseconds: Math.round(now - away.since), ...since(away.before, cost) });
      this.#counted = { ...cost, at: now };
      return;
    }
    this.#away ??= { since: hub.downSince ?? now, before: cost, isSaid: false };
    if (now - this.#away.since < NOTICED) return;
    // If the store refuses something, `#followRefusals` has logged that.
    if (trouble && trouble.stops !== 'all') return;
    const reason = trouble?.reason ?? 'Redis does not answer';
    if (this.#repeats.due(`away ${reason}`) === 0) return;
    this.#away.isSaid = true;
    logger.warn({ event: 'redis_away', reason, ...(trouble?.detail !== undefined && { detail: trouble.detail }) });
  }

  #count(now: number, cost: Cost): void {
    const { logger, sessions } = this.#options;
    const { turnedAway: readers, ended: streams } = since(this.#counted, cost);
    if (readers + streams === 0 || now - this.#counted.at < COUNTED) return;
    this.#counted = { ...cost, at: now };
    if (readers > 0) logger.warn({ event: 'readers_turned_away', readers, reason: sessions.turnedAwayFor });
    if (streams > 0) logger.warn({ event: 'streams_ended', streams, reason: 'redis' });
  }
}

/** The difference of the two numbers. */
function since(before: Cost, cost: Cost): Cost {
  return { turnedAway: cost.turnedAway - before.turnedAway, ended: cost.ended - before.ended };
}
