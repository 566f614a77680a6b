import { SisyphusError } from './errors.ts';
import type { Logger } from './logger.ts';

/** How long after a line an event that goes on happening is due again (ms). */
const AGAIN = 60_000;
/** An event that has not happened for so long (ms) is due at once when it happens again. */
const NEWS = 10_000;
/** How many texts are remembered: texts that differ each time must not fill the memory. */
const MOST = 100;

interface Said {
  at: number;
  lastAt: number;
  times: number;
}

/** Decides when a repeated event is logged: at once if it is new, and then once a minute. */
export class Repeats {
  readonly #now: () => number;
  readonly #said = new Map<string, Said>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How often the event has happened since it was due last, this time included; 0 if it is not due now. */
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

/** Errors of the store itself. Why it is away or refuses commands is logged elsewhere, once for all commands. */
const EXPECTED = new Set(['redis_unavailable', 'redis_refused', 'out_of_memory']);

export function isExpected(error: unknown): boolean {
  return error instanceof SisyphusError && EXPECTED.has(error.code);
}

/**
 * Logs failures of work that is tried again. An expected error of the store is a line at level debug. Any other error is a mistake in
 * the gateway, and is logged with its stack, once for each text and then once a minute.
 */
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
