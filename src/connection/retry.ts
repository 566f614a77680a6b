import type { Name } from '../config/variables.ts';
import type { CloseReason } from './close-reason.ts';
import type { Status } from './encode.ts';

/** The range of the retry delay for each status: shortest and longest (ms). */
const RETRY = { ok: [3000, 5000], error: [5000, 10_000], failure: [30_000, 60_000] } as const;
const LONGEST_RETRY = 60_000;

/** Factor on the retry delay if the credential has expired: the client comes back with a fresh one, after 1.5 to 3 s. */
const FRESH = 1 / 20;

/** The same for a stream that is sent to another gateway: few go at a time, so it comes back after 0.6 to 1 s. */
const MOVED = 1 / 5;

/**
 * The factor on the retry delay for each limit, if it is not 1. A client that has reached a limit of its own should not ask again every few
 * seconds. New streams that are too many for a second are spread over three times as long as others.
 */
const TIMES: Partial<Record<Name, number>> = {
  SISYPHUS_MAX_STREAMS_PER_USER: 6,
  SISYPHUS_MAX_STREAMS_PER_ADDRESS: 6,
  SISYPHUS_MAX_CHANNELS: 6,
  SISYPHUS_MAX_FAILURES: 6,
  SISYPHUS_MAX_OPENS: 3,
};

const FACTORS: Partial<Record<CloseReason, number>> = { expired: FRESH, moved: MOVED };

/** The factor on the retry delay of a stream that ends for this reason, and because of this limit. */
export function timesOf(reason: CloseReason, limit: Name | undefined): number {
  return (limit && TIMES[limit]) ?? FACTORS[reason] ?? 1;
}

/** A random delay (ms) after which a client should reconnect, so that clients do not come at once. `times`: a factor on the delay. */
export function retryAfter(status: Status, random: () => number, times = 1): number {
  const [from, to] = RETRY[status];
  return Math.min((from + random() * (to - from)) * times, LONGEST_RETRY);
}
