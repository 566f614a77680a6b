import type { Status } from './encode.ts';

/** Milliseconds until a client comes back, from and to. */
const RETRY = { ok: [3000, 5000], error: [5000, 10_000], failure: [30_000, 60_000] } as const;
const LONGEST_RETRY = 60_000;

/** When a client should come back (ms), `times` as late as usual. Each gets a time of its own, so that they do not come together. */
export function retryAfter(status: Status, random: () => number, times = 1): number {
  const [from, to] = RETRY[status];
  return Math.min((from + random() * (to - from)) * times, LONGEST_RETRY);
}
