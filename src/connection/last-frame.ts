import type { Position } from '../message/position.ts';
import type { CloseReason } from './close-reason.ts';
import { encodeGoodbye, encodeStatus, type Format, type Status } from './encode.ts';
import { type Ending, REFUSAL_OF } from './refusal.ts';
import { retryAfter, timesOf } from './retry.ts';

/** Reasons that stay the same if the client comes back with the same credential. */
const FAILURES = new Set<CloseReason>(['failure', 'expired', 'revoked', 'denied']);

/** The status of the last frame of a stream that ends for this reason. */
export function statusOf(reason: CloseReason): Exclude<Status, 'ok'> {
  return FAILURES.has(reason) ? 'failure' : 'error';
}

/** What the last frame of a stream says: what the caller wants it to say, and otherwise what the reason says. */
export function endingOf(
  reason: CloseReason,
  { refusal = REFUSAL_OF[reason], limit, times = timesOf(reason, limit) }: Ending,
): Ending {
  return { refusal, limit, times };
}

export interface LastFrameOptions {
  format: Format;
  random: () => number;
  /** The `retry` of a stream that is sent elsewhere (ms); by default that of an open stream. */
  goodbyeRetry?: number;
}

/** The last frame of a stream whose first frame was sent before. @param ending what `endingOf` has returned */
export function encodeLast(reason: CloseReason, position: Position, ending: Ending, options: LastFrameOptions): Buffer {
  const { format, random } = options;
  const { refusal, limit, times } = ending;
  if (reason === 'shutdown' || reason === 'moved') {
    return encodeGoodbye(position, options.goodbyeRetry ?? retryAfter('ok', random, times), format);
  }
  const status = statusOf(reason);
  return encodeStatus(status, position, retryAfter(status, random, times), format, { refusal, limit });
}
