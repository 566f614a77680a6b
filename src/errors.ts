/** All error codes, each with its HTTP status; docs/reference/errors.md is checked against this list. */
export const ERRORS = {
  bad_request: 400,
  bad_channel: 400,
  bad_user: 400,
  bad_event: 400,
  bad_json: 400,
  bad_xml: 400,
  unauthorized: 401,
  publishing_off: 403,
  forbidden_channel: 403,
  wrong_secret: 403,
  cross_site: 403,
  not_local: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  idempotency_conflict: 409,
  superseded: 409,
  too_large: 413,
  unsupported_type: 415,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  unavailable: 503,
  redis_unavailable: 503,
  redis_refused: 503,
  draining: 503,
  out_of_memory: 507,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code. The message says in a sentence what is wrong and what is expected, and may be shown to the caller. */
export class SisyphusError extends Error {
  override readonly name = 'SisyphusError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** The HTTP status that goes with the code. */
  get status(): number {
    return ERRORS[this.code];
  }
}
