import { setTimeout as wait } from 'node:timers/promises';
import { BEGINNING } from '../message/position.ts';
import type { ListeningPeriod } from './listening-period.ts';
import type { LeaseAnswer, LeaseRequest, PlainSource } from './plain-source.ts';
import type { RecorderTimes } from './times.ts';

/** Pause before the lease is given up again, if the request was not answered (ms). */
const AGAIN = 100;

type Wanted = LeaseRequest['wanted'];
type UpTo = LeaseRequest['upTo'];

/**
 * The lease of the recorder, which the store keeps, as this gateway sees it.
 *
 * Invariant: some gateway owned the lease at `#heldAt`, which is the time of the request, because the answer may come much later.
 */
export class Lease {
  readonly #source: PlainSource;
  readonly #times: RecorderTimes;
  readonly #onFailure: (error: unknown) => void;
  /** When any gateway, including this one, was last seen to own the lease (ms). */
  #heldAt = Number.NEGATIVE_INFINITY;

  /** `onFailure`: called each time that the lease cannot be given up; it is tried again. */
  constructor(source: PlainSource, times: RecorderTimes, onFailure: (error: unknown) => void) {
    this.#source = source;
    this.#times = times;
    this.#onFailure = onFailure;
  }

  /** Whether any gateway has been seen to own the lease. */
  get isKnown(): boolean {
    return this.#heldAt !== Number.NEGATIVE_INFINITY;
  }

  /** Whether plain PUBLISHes are being recorded, by this gateway or another. */
  get wasHeldLately(): boolean {
    return performance.now() - this.#heldAt < this.#times.heldLately;
  }

  async request(period: ListeningPeriod, wanted: Wanted, upTo?: UpTo, again = false): Promise<LeaseAnswer> {
    const { name, from = BEGINNING, fromCount } = period;
    const askedAt = performance.now();
    const answer = await this.#source.lease({ name, ttl: this.#times.lease, from, fromCount, upTo, wanted, again });
    if (answer.isHeld) this.#heldAt = askedAt;
    return answer;
  }

  /** Ends the part of this period in the lease: repeats the request until it is answered, or until this time (ms, monotonic clock). */
  async giveUp(
    period: ListeningPeriod,
    { wanted, upTo, again }: { wanted: Wanted; upTo: UpTo; again: () => boolean },
    until: number,
  ): Promise<void> {
    while (performance.now() < until) {
      try {
        await this.request(period, wanted, upTo, again());
        return;
      } catch (error) {
        this.#onFailure(error);
        await wait(AGAIN);
      }
    }
  }
}
