import { SisyphusError } from './errors.ts';
import type { Logger } from './logger.ts';

/** What goes on happening is said again after so long (ms). */
const AGAIN = 60_000;
/** What has not happened for so long is news when it happens (ms). */
const NEWS = 10_000;
/** Texts that are told apart: one that is different each time must not fill the memory. */
const MOST = 100;

interface Said {
  at: number;
  lastAt: number;
  times: number;
}

/** Tells when something that happens again and again is to be logged: at once if it is new, and then once a minute. */
export class Repeats {
  readonly #now: () => number;
  readonly #said = new Map<string, Said>();

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** How often it has happened since it was said last, if it is to be said now; else 0. */
  due(text: string): number {
    const now = this.#now();
    const said = this.#said.get(text);
    const isNews = said === undefined || now - said.lastAt >= NEWS;
    if (!isNews && now - said.at < AGAIN) {
      said.lastAt = now;
      said.times++;
      return 0;
    }
    if (said === undefined && this.#said.size >= MOST) this.#said.clear();
    this.#said.set(text, { at: now, lastAt: now, times: 0 });
    return (said?.times ?? 0) + 1;
  }
}

/** The codes of what the store says of itself: whether it is away, or why it refuses, is logged once for all. */
const EXPECTED = new Set(['redis_unavailable', 'redis_refused', 'out_of_memory']);

export function isExpected(error: unknown): boolean {
  return error instanceof SisyphusError && EXPECTED.has(error.code);
}

/** Logs failures of what is tried again. A mistake of ours comes with its stack, once for each text and then once a minute. */
export class Failures {
  readonly #logger: Logger;
  readonly #repeats: Repeats;

  constructor(logger: Logger, now?: () => number) {
    this.#logger = logger;
    this.#repeats = new Repeats(now);
  }

  log(event: string, error: unknown, fields: Record<string, unknown> = {}): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (isExpected(error)) {
      this.#logger.debug({ event, ...fields, reason });
      return;
    }
    const times = this.#repeats.due(`${event} ${reason}`);
    if (times > 0) this.#logger.error({ event, ...fields, ...(times > 1 && { times }), err: error });
  }
}
