import type { Status } from './encode.ts';

/** The range of the retry delay for each status: shortest and longest (ms). */
const RETRY = { ok: [3000, 5000], error: [5000, 10_000], failure: [30_000, 60_000] } as const;
const LONGEST_RETRY = 60_000;

/** Factor on the retry delay if the credential has expired: the client comes back with a fresh one, after 1.5 to 3 s. */
export const FRESH = 1 / 20;

/** A random delay (ms) after which a client should reconnect, so that clients do not come at once. `times`: a factor on the delay. */
export function retryAfter(status: Status, random: () => number, times = 1): number {
  const [from, to] = RETRY[status];
  return Math.min((from + random() * (to - from)) * times, LONGEST_RETRY);
}
