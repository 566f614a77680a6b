import type { CloseReason } from './close-reason.ts';

/**
 * Why a stream is refused, or ends with a status frame. The frame carries the word, for the developer of the page.
 * A test compares docs/reference/refusals.md with this list.
 */
export const REFUSALS = {
  missing: 'the address has no `user`',
  blank: '`user` has no value',
  repeated: '`user` is in the address more than once',
  malformed: '`user` is no user id',
  expired: 'the credential has ended',
  unavailable: 'who the user is could not be found out in time',
  headers_too_large: 'the head of the request is larger than 64 KB',
  capacity: 'the gateway has as many streams as it may have, or may not open more files',
  user_capacity: 'the user has as many streams as one user may have',
  busy: 'more streams are being opened than Redis can answer; the more there are, the later the client comes back',
  draining: 'the gateway is being stopped',
  redis: 'Redis cannot be reached',
  internal: 'a mistake in the gateway; the log has it',
} as const;

export type Refusal = keyof typeof REFUSALS;

/** The refusal that is sent for a close reason, if the caller has no more exact one. `undefined`: no last frame is sent. */
export const REFUSAL_OF: Record<CloseReason, Refusal | undefined> = {
  client: undefined,
  slow: undefined,
  gone: undefined,
  shutdown: 'draining',
  redis: 'redis',
  capacity: 'capacity',
  busy: 'busy',
  failure: 'malformed',
  expired: 'expired',
  internal: 'internal',
};
