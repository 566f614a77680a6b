import { type ErrorCode, SisyphusError } from '../../errors.ts';

/** By the first word of an error reply, of our functions or of Redis itself. */
const CODES: Record<string, ErrorCode> = {
  BADCHANNEL: 'bad_channel',
  BADEVENT: 'bad_event',
  BADUSER: 'bad_user',
  BADREQUEST: 'bad_request',
  NOCOLLECTION: 'not_found',
  TOOLARGE: 'too_large',
  FULL: 'unavailable',
  CONFLICT: 'idempotency_conflict',
  // Never seen outside: see `hasChanged`.
  CHANGED: 'redis_refused',
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

/** Makes a SisyphusError of an error of Redis or of its driver. */
export function toSisyphusError(error: unknown): SisyphusError {
  if (error instanceof SisyphusError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [word = '', ...rest] = text.replace(/^ERR /, '').split(' ');
  const code = Object.hasOwn(CODES, word) ? CODES[word] : undefined;
  if (code === 'redis_refused' || code === 'out_of_memory') {
    const reason = explanationOf(text)?.replace(NOTHING, '') ?? `Redis refuses: ${text}`;
    return new SisyphusError(code, `${reason}; nothing was published`, { cause: error });
  }
  if (code === undefined && error instanceof Error && error.name === 'ReplyError') {
    return new SisyphusError('redis_refused', `Redis refuses: ${text}`, { cause: error });
  }
  if (code) return new SisyphusError(code, rest.join(' '), { cause: error });
  return new SisyphusError('redis_unavailable', `Redis did not answer: ${text}`, { cause: error });
}

/** For a `catch`: throws the error as a SisyphusError. */
export function rethrow(error: unknown): never {
  throw toSisyphusError(error);
}

/** Redis has answered, and the answer shows that it cannot be used as it is; the message says what was expected. */
export class UnfitError extends Error {
  /** The name that the driver gives to error replies: this error counts as one. */
  override readonly name = 'ReplyError';
  /** Only for the log, because it may name addresses. */
  readonly detail: string;

  constructor(reason: string, detail = reason) {
    super(reason);
    this.detail = detail;
  }
}

/** An error as the driver makes it of an error reply. */
export function replyError(text: string): Error {
  return Object.assign(new Error(text), { name: 'ReplyError' });
}

/** Whether Redis has answered, with an error. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'ReplyError' || isReply(error.cause));
}

/** The error reply of Redis, even if it is the cause of a SisyphusError. */
function replyOf(error: Error): string {
  return error.name !== 'ReplyError' && error.cause instanceof Error ? replyOf(error.cause) : error.message;
}

/** Replies to a write while Redis takes none; it can be read all the same. */
const STATE = /^(READONLY|MISCONF|NOREPLICAS|OOM)\b/;
/**
 * Replies if the user may not run a command, directly or in a function (the second is the reply of Redis 7.0, the third that of
 * later versions), or if no user may, because the command was renamed.
 */
const ACCESS =
  /^(NOPERM\b|EXECABORT Transaction discarded because of: NOPERM\b|ERR The user executing the script|ERR ACL failure in script|ERR Unknown (\w+ )?command called from script)/;

/** Whether the same call without a write may be answered. */
export function refusesWrites(error: unknown): boolean {
  return isReply(error) && (STATE.test(replyOf(error)) || ACCESS.test(replyOf(error)));
}

/** Whether Redis takes no writes at all for the time being. */
export function isStateRefusal(error: unknown): boolean {
  return isReply(error) && STATE.test(replyOf(error));
}

/** Whether the user's rights in Redis do not suffice. */
export function isAccessRefusal(error: unknown): boolean {
  return isReply(error) && ACCESS.test(replyOf(error));
}

export function isReadOnly(error: unknown): boolean {
  return isReply(error) && replyOf(error).startsWith('READONLY');
}

/** Whether the user may not run a command, rather than run it on a key or a channel. */
export function isCommandDenied(error: Error): boolean {
  return /permissions to run/.test(error.message);
}

/** Whether Redis does not have this command or a part of it, in its version or under this name. */
export function isUnknownCommand(error: Error): boolean {
  return /unknown (sub)?command/i.test(error.message);
}

const UNKNOWN_INFO = /unknown command ['`]?INFO/i;

export function isUnknownInfo(error: unknown): boolean {
  return isReply(error) && UNKNOWN_INFO.test(error.message);
}

/** Whether our functions replied that another gateway has the recorder's lease. */
export function isFenced(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('FENCED');
}

/** Whether our functions replied that a collection is not what was read before. */
export function hasChanged(error: unknown): boolean {
  return isReply(error) && replyOf(error).startsWith('CHANGED');
}

/** Whether Redis does not have a function of the library. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Function not found');
}

/** Whether Redis already has the library that was to be loaded. */
export function isAlreadyLoaded(error: unknown): boolean {
  return error instanceof Error && error.message.includes('already exists');
}

/** Whether a stream does not have the consumer group, or does not exist. */
export function isGroupUnknown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOGROUP');
}

/** Whether a stream already has the consumer group that was to be made. */
export function isGroupKnown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('BUSYGROUP');
}

/** Whether the driver's time limit for a command has passed; also for a SisyphusError made of that. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.includes('timed out');
}

/** Whether no connection could be made within the driver's time limit. */
export function isConnectTimeout({ message }: Error): boolean {
  return message === 'connect ETIMEDOUT';
}

/** Whether the driver has tried all Sentinels, and reached none. */
export function isWithoutSentinel({ message }: Error): boolean {
  return message.startsWith('All sentinels are unreachable');
}

/** Explanations, by a pattern of the reply. */
const EXPLANATIONS: [RegExp, string][] = [
  [/^READONLY/, 'Redis is a read-only replica (READONLY): expected a master; nothing can be published'],
  [
    /^MISCONF/,
    'Redis cannot save to its disk (MISCONF): expected room on it, and a save that works; nothing can be published',
  ],
  [
    /^NOREPLICAS/,
    'Redis has fewer replicas than min-replicas-to-write asks for (NOREPLICAS): expected more; nothing can be published',
  ],
  [/^OOM/, 'Redis is out of memory (OOM): expected a larger maxmemory, or fewer keys; nothing can be published'],
  [/^NOAUTH/, 'Redis asks for a password (NOAUTH): expected user and password in REDIS_URL'],
  [
    /^WRONGPASS/,
    'Redis does not take the user and password of REDIS_URL (WRONGPASS): expected those of a user whom it has',
  ],
  [/max number of clients/, 'Redis has as many clients as it allows: expected a larger maxclients, or fewer clients'],
  [UNKNOWN_INFO, 'Redis does not know INFO: expected it not to be renamed; nothing can be published'],
  [
    /unknown command ['`]?(FCALL|FUNCTION)/i,
    'Redis does not know FCALL or FUNCTION: expected Redis 7 or later, or Valkey 8, with its functions',
  ],
];

/** How an explanation ends that concerns publishers alone. */
const NOTHING = '; nothing can be published';

function explanationOf(reply: string): string | undefined {
  return EXPLANATIONS.find(([pattern]) => pattern.test(reply))?.[1];
}

/** A refusal as a sentence for the operator of the gateway, and the reply of Redis in full. */
export function explain(error: Error): { reason: string; detail: string } {
  const detail = replyOf(error);
  if (error instanceof UnfitError) return { reason: error.message, detail: error.detail };
  return { reason: explanationOf(detail) ?? `Redis refuses: ${detail.slice(0, 200)}`, detail };
}
