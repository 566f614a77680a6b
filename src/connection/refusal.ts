import type { Name } from '../config/variables.ts';
import type { CloseReason } from './close-reason.ts';

/**
 * Why a stream is refused, or ends with a status frame. The frame carries the word, for the developer of the page.
 * A test compares docs/reference/refusals.md with this list.
 */
export const REFUSALS = {
  missing: 'the request has no credential; with `SISYPHUS_AUTH=open`, the address has no `user`',
  malformed: 'the credential cannot be read, is repeated, or does not name a valid user id',
  expired: 'the credential has ended',
  not_yet: 'the credential is not valid yet',
  signature: 'the token is not signed by a known key with an allowed algorithm',
  audience: 'the token is for another audience, or from another issuer',
  refused:
    'the application does not let the client in, the token is not known, or none of the named channels may be read',
  revoked: 'the credential was revoked, or the user was disconnected',
  untrusted: 'the header with the user did not come from a trusted proxy',
  unavailable: 'the application, the service that has the keys, or the store of the tokens did not answer',
  headers_too_large: 'the head of the request is larger than 64 KB',
  capacity: 'a limit is reached; the frame names the variable that sets it',
  busy: 'more streams are being opened than Redis can answer; the more there are, the later the client comes back',
  draining: 'the gateway is being stopped',
  redis: 'Redis cannot be reached',
  internal: 'a mistake in the gateway; the log has it',
} as const;

export type Refusal = keyof typeof REFUSALS;

/** What the last frame of a stream says, if it is more than the close reason tells. */
export interface Ending {
  /** The word in the frame, if it is more exact than the reason's own. */
  refusal?: Refusal | undefined;
  /** The variable with the limit that is reached. */
  limit?: Name | undefined;
  /** The factor by which the client's usual retry delay is multiplied; by default that of the limit. */
  times?: number | undefined;
}

/** The refusal that is sent for a close reason, if the caller has no more exact one. `undefined`: no last frame is sent. */
export const REFUSAL_OF: Record<CloseReason, Refusal | undefined> = {
  client: undefined,
  slow: undefined,
  gone: undefined,
  polled: undefined,
  moved: undefined,
  shutdown: 'draining',
  redis: 'redis',
  capacity: 'capacity',
  busy: 'busy',
  failure: 'malformed',
  expired: 'expired',
  revoked: 'revoked',
  denied: 'refused',
  internal: 'internal',
};
