import type { Redis } from 'ioredis';
import type { Mark } from '../../hub/channel-source.ts';
import { BEGINNING, type Position } from '../../message/position.ts';
import { suspect } from './connection.ts';
import { ReadableFunction } from './functions.ts';
import { type MarkAnswer, markOf } from './mark-answer.ts';
import type { MissedDisconnects } from './missed-disconnects.ts';
import type { Parts } from './parts.ts';
import type { PlausibleIds } from './plausible-ids.ts';
import { ReadOnlyMarks } from './read-only-marks.ts';
import type { Setup } from './setup.ts';
import { StoreClock } from './store-clock.ts';

export interface MarksOptions extends Parts {
  /** The connection that receives the messages. */
  redis: Redis;
  plausible: PlausibleIds;
  setup: Pick<Setup, 'configure' | 'learn'>;
  disconnects: Pick<MissedDisconnects, 'learn'>;
}

/** Reads the mark of the store (its clock, gaps, settings), and passes on what follows from it. */
export class Marks {
  readonly #options: MarksOptions;
  readonly #mark: ReadableFunction;
  readonly #readOnly = new ReadOnlyMarks();
  readonly #clock = new StoreClock();
  /** By event: the stored value that was logged last. */
  readonly #reported = new Map<string, string>();
  #isClockOff = false;

  constructor(options: MarksOptions) {
    this.#options = options;
    this.#mark = new ReadableFunction(options.redis, options.keys, 'sisyphus_mark');
  }

  /** A warning if the clock of this machine is not that of Redis; else `undefined`. */
  get clockWarning(): string | undefined {
    const ahead = this.#clock.aheadOfStore(Date.now(), performance.now());
    if (ahead === 0) return undefined;
    const side = `${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`;
    return `the clock of this machine is ${side} that of Redis, so credentials end at another time than they say: expected NTP on both`;
  }

  /** See `Store.localTime`. */
  localTime(id: Position): number | undefined {
    return this.#clock.toLocal(id);
  }

  /**
   * `position`: readers may have received messages up to here. `isRefused`: the connection was refused before, so a mark alone does
   * not show that readers are served again.
   */
  async read(channels: string[], position: Position, isRefused: boolean): Promise<Mark> {
    const { redis, url, standing, plausible, setup, disconnects } = this.#options;
    try {
      const asked = performance.now();
      const floor = this.#readOnly.floor(position);
      const { answer, isReadOnly, refusal } = await this.#mark.call([floor, ...channels], channels);
      if (refusal) standing.failed('marking', refusal);
      const mark = markOf(answer as MarkAnswer);
      const { position: last = BEGINNING, born = BEGINNING, now, gaps, heads } = mark;
      plausible.learn(last, now, asked);
      this.#clock.learn(now, asked, performance.now());
      this.#compareClocks();
      if (!isRefused) standing.worked('reading');
      await disconnects.learn(mark);
      if (isReadOnly) return { now, ...this.#readOnly.judge(mark, floor, mark.isReplica) };
      this.#readOnly.reset();
      standing.worked('marking');
      standing.wrote('hub');
      this.#compare(mark.database, mark.prefix);
      setup.learn(mark.settings);
      return { position: last, born, now, gaps, heads };
    } catch (error) {
      standing.failed('reading', error);
      suspect(redis, url, error);
      throw error;
    }
  }

  /**
   * Compares the stored database and prefix with this gateway's; both are empty until a gateway has configured the store. Another
   * database: databases were swapped, or restored under another number, or a proxy numbers them in its own way. Another prefix:
   * gateways of one installation are configured differently.
   */
  #compare(database: string, prefix: string): void {
    const { keys, names, setup } = this.#options;
    const isSameDatabase = Number(database) === keys.database;
    if (!isSameDatabase && database !== '') {
      const expected = `expected ${keys.database}, as REDIS_URL says`;
      this.#report('database_differs', database, `the store takes its database for ${database}; ${expected}`);
    }
    if (prefix !== '' && prefix !== names.prefix) {
      const expected = `expected one for all gateways; HSET ${keys.declared}:clock prefix "" takes it away`;
      const text = `SISYPHUS_KEY_PREFIX=${prefix} of another gateway counts`;
      this.#report('key_prefix_differs', prefix, `${text}; ${expected}`);
    }
    if (!isSameDatabase || (prefix === '' && names.prefix !== '')) setup.configure();
  }

  #compareClocks(): void {
    const warning = this.clockWarning;
    if (warning !== undefined && !this.#isClockOff)
      this.#options.logger.warn({ event: 'clock_differs', reason: warning });
    this.#isClockOff = warning !== undefined;
  }

  /** Logs the error, unless the last one of this event had the same value. */
  #report(event: string, word: string, text: string): void {
    if (this.#reported.get(event) !== word) this.#options.logger.error({ event, stored: word }, text);
    this.#reported.set(event, word);
  }
}
