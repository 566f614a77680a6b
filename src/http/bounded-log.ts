import type { Logger } from '../logger.ts';

/** The size of the token bucket of an event (lines), and how long each line of it takes to be refilled (ms). */
const LINES = 20;
const REFILL = 1000;
/** `warnOnce` writes the same fact again after this (ms). */
const REPEAT = 60_000;
const MAX_FACTS = 500;

export type Fields = Record<string, unknown> & { event: string; code?: string };

type Level = 'info' | 'warn';

/** The token bucket of one event, or of one code of it. */
interface Bucket {
  room: number;
  /** When `room` was refilled last (ms). */
  filled: number;
  leftOut: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * A rate-limited log for events that any stranger can cause: after twenty lines, each event gets one line a second, which counts
 * the lines that were left out (`left_out`). Each error code of an event counts by itself, so that strangers cannot hide what publishers
 * do wrong.
 */
export class BoundedLog {
  readonly #logger: Pick<Logger, Level>;
  readonly #now: () => number;
  readonly #refill: number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #told = new Map<string, number>();

  /**
   * @param now a monotonic clock (ms)
   * @param refill see `REFILL` (ms)
   */
  constructor(logger: Pick<Logger, Level>, now: () => number = performance.now.bind(performance), refill = REFILL) {
    this.#logger = logger;
    this.#now = now;
    this.#refill = refill;
  }

  info(fields: Fields): void {
    this.#write('info', fields);
  }

  warn(fields: Fields): void {
    this.#write('warn', fields);
  }

  /** Writes a line, unless one for the same fact was written within the last minute. */
  warnOnce(fact: string, fields: Fields): void {
    const now = this.#now();
    if (now - (this.#told.get(fact) ?? Number.NEGATIVE_INFINITY) < REPEAT) return;
    if (!this.#write('warn', fields)) return;
    // Forgetting all facts is safe: a client that makes up new ones still meets the limit on lines.
    if (this.#told.size >= MAX_FACTS) this.#told.clear();
    this.#told.set(fact, now);
  }

  /** @returns whether the line was written */
  #write(level: Level, fields: Fields): boolean {
    const { event, code } = fields;
    const bucket = this.#bucketOf(code === undefined ? event : `${event} ${code}`);
    if (bucket.room === 0) {
      bucket.leftOut++;
      // If no other line follows that could carry the count, write one for it.
      bucket.timer ??= setTimeout(
        () => this.#write(level, code === undefined ? { event } : { event, code }),
        2 * this.#refill,
      ).unref();
      return false;
    }
    bucket.room--;
    clearTimeout(bucket.timer);
    bucket.timer = undefined;
    this.#logger[level](bucket.leftOut > 0 ? { ...fields, left_out: bucket.leftOut } : fields);
    bucket.leftOut = 0;
    return true;
  }

  #bucketOf(key: string): Bucket {
    const now = this.#now();
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = { room: LINES, filled: now, leftOut: 0, timer: undefined };
      this.#buckets.set(key, bucket);
    }
    const gained = Math.floor((now - bucket.filled) / this.#refill);
    bucket.filled += gained * this.#refill;
    bucket.room = Math.min(LINES, bucket.room + gained);
    return bucket;
  }
}
