import type { Logger } from '../logger.ts';
import type { Failure } from './plain-source.ts';

/** Most pairs of channel and reason that are remembered. Beyond that all are forgotten, so they may be logged again. */
const MOST_KNOWN = 1000;

/** Logs which plain PUBLISHes cannot be recorded, and why: once for each channel and reason. */
export class Unrecordable {
  readonly #logger: Logger;
  readonly #known = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  note(failures: Failure[]): void {
    for (const { channel, reason } of failures) {
      const known = `${channel} ${reason}`;
      if (this.#known.has(known)) continue;
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.add(known);
      this.#logger.error({ event: 'channel_unrecordable', channel, reason });
    }
  }
}
