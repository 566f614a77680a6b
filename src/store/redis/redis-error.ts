import { type ErrorCode, SisyphusError } from '../../errors.ts';

/** The first word of an error reply, by our functions or by Redis itself. */
const CODES: Record<string, ErrorCode> = {
  BADCHANNEL: 'bad_channel',
  BADEVENT: 'bad_event',
  BADUSER: 'bad_user',
  BADREQUEST: 'bad_request',
  TOOLARGE: 'too_large',
  CONFLICT: 'idempotency_conflict',
  OOM: 'out_of_memory',
  READONLY: 'redis_refused',
  LOADING: 'redis_refused',
  NOREPLICAS: 'redis_refused',
  MISCONF: 'redis_refused',
  MASTERDOWN: 'redis_refused',
  CLUSTERDOWN: 'redis_refused',
  BUSY: 'redis_refused',
  NOPERM: 'redis_refused',
  NOAUTH: 'redis_refused',
  WRONGTYPE: 'redis_refused',
  BADKEY: 'redis_refused',
};

/** What Redis or its driver said, as an error of ours. */
export function toSisyphusError(error: unknown): SisyphusError {
  if (error instanceof SisyphusError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [word = '', ...rest] = text.replace(/^ERR /, '').split(' ');
  const code = Object.hasOwn(CODES, word) ? CODES[word] : undefined;
  if (code === 'redis_refused' || code === 'out_of_memory') {
    return new SisyphusError(code, `Redis refuses: ${text}; nothing was published`, { cause: error });
  }
  if (code === undefined && error instanceof Error && error.name === 'ReplyError') {
    return new SisyphusError('redis_refused', `Redis refuses: ${text}`, { cause: error });
  }
  if (code) return new SisyphusError(code, rest.join(' '), { cause: error });
  return new SisyphusError('redis_unavailable', `Redis did not answer: ${text}`, { cause: error });
}

/** Whether it is not known if the command was carried out. */
export function isUnanswered(error: unknown): boolean {
  return toSisyphusError(error).code === 'redis_unavailable';
}
