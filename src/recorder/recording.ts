import { setTimeout as wait } from 'node:timers/promises';
import type { Counters } from '../counters.ts';
import type { Logger } from '../logger.ts';
import type { ListeningPeriod } from './listening-period.ts';
import { FencedError, type PlainSource } from './plain-source.ts';
import { Unrecordable } from './unrecordable.ts';

/**
 * From the start of one record to that of the next (ms): what comes meanwhile goes together, unless it fills a batch. At 3,000
 * messages a second one costs gateway and Redis 146 µs instead of 281; what comes after a pause does not wait.
 */
const SPACING = 3;
/** Before a batch is sent again whose answer was lost (ms). */
const AGAIN = 100;

export interface RecordingOptions {
  source: PlainSource;
  counters: Counters;
  logger: Logger;
  /** Whether this gateway records, and for this period. */
  isDue: (period: ListeningPeriod) => boolean;
  /** Called when another gateway has the lease. */
  onFenced: () => void;
  onFailure: (error: unknown) => void;
}

/** Records what is queued in a period, batch by batch: the next one goes when the one before is answered. */
export class Recording {
  readonly #options: RecordingOptions;
  readonly #unrecordable: Unrecordable;
  #running: Promise<void> | undefined;
  /** When the last record began (ms). */
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.#unrecordable = new Unrecordable(options.logger);
  }

  /** Settles when the queue is empty, or it is not due any more. */
  run(period: ListeningPeriod): Promise<void> {
    this.#running ??= this.#recordAll(period).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #recordAll(period: ListeningPeriod): Promise<void> {
    const { isDue, onFenced, onFailure } = this.#options;
    let isAgain = false;
    while (isDue(period) && period.queue.length > 0) {
      const early = this.#beganAt + SPACING - performance.now();
      if (early > 0 && !period.hasFullBatch) {
        await wait(early);
        continue;
      }
      this.#beganAt = performance.now();
      try {
        await this.#recordBatch(period, isAgain);
        isAgain = false;
      } catch (error) {
        if (error instanceof FencedError) {
          // The lease may have said so already.
          if (isDue(period)) onFenced();
          return;
        }
        // Not known whether it was recorded: the same batch again, and the script skips what was.
        isAgain = true;
        onFailure(error);
        await wait(AGAIN);
      }
    }
  }

  async #recordBatch(period: ListeningPeriod, isAgain: boolean): Promise<void> {
    const { source, counters } = this.#options;
    const batch = period.nextBatch();
    const { recorded, skipped, failed } = await source.record(period.name, batch);
    // It was this gateway that recorded what is skipped, if an answer was lost: nobody else may, behind the place of its lease.
    counters.plainRecorded(isAgain ? recorded + skipped : recorded, failed.length);
    this.#unrecordable.note(failed);
    period.forgetFirst(batch.length);
  }
}
