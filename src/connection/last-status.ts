import type { CloseReason } from './close-reason.ts';
import type { Status } from './encode.ts';

/** Reasons that stay the same if the client comes back with the same credential. */
const FAILURES = new Set<CloseReason>(['failure', 'expired', 'revoked', 'denied']);

/** The status of the last frame of a stream that ends for this reason. */
export function statusOf(reason: CloseReason): Exclude<Status, 'ok'> {
  return FAILURES.has(reason) ? 'failure' : 'error';
}
