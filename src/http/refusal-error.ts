import type { CloseReason } from '../connection/close-reason.ts';
import { type Ending, REFUSAL_OF } from '../connection/refusal.ts';
import { SisyphusError } from '../errors.ts';

/** The error for a client that is refused, or whose poll ends without an answer, on routes that are no streams. */
export function errorOf({ refusal = 'internal', limit }: Ending): SisyphusError {
  if (limit !== undefined) {
    return new SisyphusError('too_many_requests', `${limit} is reached: expected the request again later`);
  }
  switch (refusal) {
    case 'redis':
      return new SisyphusError('redis_unavailable', 'Redis cannot be reached: expected the request again later');
    case 'draining':
      return new SisyphusError('draining', 'this gateway is being stopped; ask another one');
    case 'busy':
    case 'capacity':
      return new SisyphusError(
        'unavailable',
        'the gateway has no room for another one: expected the request again later',
      );
    case 'unavailable':
    case 'internal':
      return new SisyphusError(
        'unavailable',
        'who the client is cannot be found out now: expected the request again later',
      );
    case 'headers_too_large':
      return new SisyphusError('headers_too_large', 'the head of the request is too large: expected less');
    default:
      return new SisyphusError(
        'unauthorized',
        `the credential is refused (${refusal}): expected one that opens a stream`,
      );
  }
}

/** The error for a poll that ends for this reason. */
export function errorOfReason(reason: CloseReason, { refusal = REFUSAL_OF[reason], limit }: Ending): SisyphusError {
  if (reason === 'internal') return new SisyphusError('internal', 'a mistake in the gateway; its log has it');
  return errorOf({ refusal, limit });
}
