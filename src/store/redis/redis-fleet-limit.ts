import type { Redis } from 'ioredis';
import type { FleetLimit, LocalStreams } from '../../backlog/fleet-limit.ts';
import { LEAVING, within } from '../../patience.ts';
import { Failures } from '../../repeats.ts';
import { callFunction } from './functions.ts';
import type { Parts } from './parts.ts';
import { rethrow } from './redis-error.ts';
import { type Claim, StreamClaims } from './stream-claims.ts';
import { fleetOf, newReporter } from './stream-reports.ts';

/** Users in one call: Redis needs a millisecond for them. */
const USERS = 500;
/** Calls that are under way at a time. */
const CALLS = 2;
/** Claims are sent so long apart (ms) while many streams come: one call for each turn of the event loop takes 10 us more of a stream. */
const APART = 3;
/** Streams that end within so long (ms) are reported together. */
const JOINED = 100;
/** How long after a refusal the store is asked again (ms): the stream that a client has just left may be reported meanwhile. */
const AGAIN = 120;
/** Readers that have gone are searched at most so often (ms), however many streams other gateways refuse. */
const SEARCHED = 10_000;
/** How long a stream waits for the store's answer (ms), before it is admitted without one. */
const ANSWER = 1000;
/** What gateways say of their streams is read at most so often (ms): claims are answered every few milliseconds while many streams come. */
const LOOK = 500;

/** By process, which is what gateways of the version before decide by: of several workers of one gateway, each counts as a gateway. */
type Figures = ['fleet', processes: number, streams: number, least: number];
type Answer = ['lost'] | [living: number, missed: number, ...short: number[], ...([] | Figures)];

export interface RedisFleetLimitOptions extends Pick<Parts, 'keys' | 'logger'> {
  /** The connection on which lists are read: an answer comes with the list of its stream. */
  redis: Redis;
  /** The most streams of a user. */
  limit: number;
  /** The name of the gateway that this process is a worker of: without a dot, and the same in all its workers. By default it is one of its own. */
  gateway?: string | undefined;
  /** The time by a monotonic clock (ms). */
  now?: () => number;
}

/**
 * Counts the streams of users over all gateways: each reports its own to Redis, where they count for as long as the gateway lives.
 *
 * Invariant: while this gateway is `known`, Redis has its turn, and every user whose report is outdated is among the claims. If a call
 * fails, or the connection is lost, Redis may have anything, so a new turn begins, in which all users are reported.
 *
 * The file is long because claims, their answers and a lost lease are one protocol; what others report is in stream-reports.ts.
 */
export class RedisFleetLimit implements FleetLimit {
  readonly #options: RedisFleetLimitOptions;
  readonly #failures: Failures;
  /** The name under which this process reports. */
  readonly #name: string;
  readonly #now: () => number;
  #local: LocalStreams | undefined;
  #claims: StreamClaims | undefined;
  #searchedAt = Number.NEGATIVE_INFINITY;
  #state: 'unknown' | 'beginning' | 'known' = 'unknown';
  #turn = 0;
  #calls = 0;
  #isScheduled = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** When the last claims were sent (ms). */
  #sentAt = Number.NEGATIVE_INFINITY;
  #isReporting = false;
  #report: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #hasBegun = false;
  #isClosed = false;

  constructor(options: RedisFleetLimitOptions) {
    this.#options = options;
    this.#name = newReporter(options.gateway);
    this.#failures = new Failures(options.logger);
    this.#now = options.now ?? performance.now.bind(performance);
    options.redis.on('ready', () => this.#begin());
    options.redis.on('close', () => this.#forget());
  }

  /** Whether Redis has been asked to count the streams of this gateway, and has answered or failed. */
  get hasBegun(): boolean {
    return this.#hasBegun || !this.#claims;
  }

  follow(local: LocalStreams): void {
    this.#local = local;
    this.#claims = new StreamClaims(local);
  }

  admits(user: string, isGone: () => boolean): Promise<boolean> {
    const claims = this.#claims;
    if (!claims || this.#state === 'unknown') return Promise.resolve(true);
    return new Promise((settle) => {
      claims.apply(user, { isGone, until: this.#now() + LEAVING, settle });
      this.#schedule();
    });
  }

  closed(user: string): void {
    if (this.#state !== 'known') return;
    this.#claims?.change(user);
    this.#report ??= setTimeout(() => this.#reportChanges(), JOINED).unref();
    if (this.#claims?.hasAsking) this.#schedule();
  }

  /** Keeps the lease, or begins anew if that failed before. To be called every 700 ms. */
  beat(): void {
    if (this.#state === 'unknown') this.#begin();
    else if (this.#state === 'known' && this.#calls === 0) void this.#call([]);
  }

  /** Takes this gateway's streams out of the count. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const isKnown = this.#state !== 'unknown';
    this.#forget();
    // If this fails, the streams count for as long as the lease lasts.
    if (isKnown) await this.#ask('leave', '').catch(() => undefined);
  }

  #begin(): void {
    const { redis } = this.#options;
    const claims = this.#claims;
    if (!claims || this.#isClosed || redis.status !== 'ready') return;
    this.#state = 'beginning';
    const turn = ++this.#turn;
    this.#answered(this.#ask('begin', ''), turn, () => {
      this.#state = 'known';
      claims.begin();
      this.#reportChanges();
    });
  }

  /** Gives up the turn: it is not known any more what Redis has counted, so all streams that wait for an answer are admitted. */
  #forget(): void {
    this.#state = 'unknown';
    this.#turn++;
    clearTimeout(this.#report);
    clearTimeout(this.#again);
    this.#report = this.#again = undefined;
    this.#claims?.admitAll();
  }

  #reportChanges(): void {
    this.#report = undefined;
    this.#isReporting = true;
    this.#schedule();
  }

  /** Claims of one turn of the event loop go together, and so do those that follow within `APART`. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const rest = this.#sentAt + APART - this.#now();
    if (rest > 0) setTimeout(this.#send, rest);
    else setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#isScheduled = false;
    while (this.#state === 'known' && this.#calls < CALLS) {
      const claims = this.#claims!.take(USERS, this.#isReporting);
      if (claims.length === 0) break;
      this.#sentAt = this.#now();
      void this.#call(claims);
    }
    if (!this.#claims?.hasChanged) this.#isReporting = false;
  };

  #call(claims: Claim[]): void {
    this.#calls++;
    let text = '';
    for (const { user, held, applicants } of claims) text += `${user} ${held} ${applicants.length} `;
    const asked = this.#ask('keep', text).finally(() => this.#calls--);
    this.#answered(asked, this.#turn, (answer) => {
      const knowsFleet = dropFigures(answer);
      const [living, missed, ...short] = answer;
      if (living === 'lost') {
        this.#begin();
        return;
      }
      if (missed === 1) this.#search();
      const room = new Map<number, number>();
      for (let i = 0; i + 1 < short.length; i += 2) room.set(Number(short[i]) - 1, Number(short[i + 1]));
      this.#claims!.answered(claims, (i) => room.get(i) ?? Number.POSITIVE_INFINITY, this.#now());
      if (this.#claims!.hasRefused) this.#again ??= setTimeout(() => this.#askAgain(), AGAIN).unref();
      this.#schedule();
      if (knowsFleet && this.#now() - this.#lookedAt >= LOOK) void this.#look();
    });
  }

  /** Reads what all processes have reported. Dead ones are not among them, because each call of `sisyphus_streams` removes those. */
  async #look(): Promise<void> {
    const { redis, keys } = this.#options;
    const turn = this.#turn;
    this.#lookedAt = this.#now();
    try {
      const reports = await redis.hgetall(keys.streams).catch(rethrow);
      if (turn === this.#turn) this.#local?.onFleet(fleetOf(reports, this.#name));
    } catch (error) {
      this.#failures.log('fleet_limit_failed', error);
    }
  }

  #search(): void {
    if (this.#now() - this.#searchedAt < SEARCHED) return;
    this.#searchedAt = this.#now();
    this.#local?.search();
  }

  #askAgain(): void {
    this.#again = undefined;
    this.#claims!.askAgain();
    this.#schedule();
  }

  /** Uses the answer if `turn` is still the current one. If no answer comes in time, the turn is given up, and a new one has to begin. */
  #answered(asked: Promise<Answer>, turn: number, take: (answer: Answer) => void): void {
    const answer = asked.then((found) => {
      if (turn === this.#turn) take(found);
    });
    within(ANSWER, answer)
      .then((isInTime) => {
        if (!isInTime && turn === this.#turn) this.#forget();
      })
      .catch((error: unknown) => {
        this.#failures.log('fleet_limit_failed', error);
        if (turn === this.#turn) this.#forget();
      })
      .finally(() => {
        this.#hasBegun = true;
      });
  }

  #ask(verb: 'begin' | 'keep' | 'leave', claims: string): Promise<Answer> {
    const { redis, keys, limit } = this.#options;
    const total = this.#local?.total() ?? '-';
    const args = [this.#name, this.#turn, verb, limit, claims, total];
    // Only `begin` may load a missing library and be called again: another call could then be carried out after a later one.
    const asked =
      verb === 'begin'
        ? callFunction(redis, keys, 'sisyphus_streams', args)
        : redis.fcall('sisyphus_streams', 1, keys.declared, ...args);
    return asked.catch(rethrow) as Promise<Answer>;
  }
}

/** Takes the figures of the fleet off the end of the answer. A library of the version before, or for a process that is leaving, has none. */
function dropFigures(answer: Answer): boolean {
  if (answer.at(-4) !== 'fleet') return false;
  answer.splice(-4);
  return true;
}
