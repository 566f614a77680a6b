/**
 * Why a stream ended, as the word in logs and metrics. A test compares docs/reference/close-reasons.md with this list.
 */
export const CLOSE_REASONS = {
  client: 'the reader went away',
  slow: 'the reader left more unsent than the bound allows',
  gone: 'the reader acknowledged nothing of what was sent over two noops',
  polled: 'a poll has got what it asked for',
  shutdown: 'the gateway is being stopped and sends its readers elsewhere',
  moved: 'another gateway has many fewer streams, and the reader was sent away to find it',
  redis: 'Redis was away for longer than the grace',
  capacity: 'a limit was reached, such as the streams of a user',
  busy: 'more streams were being opened than Redis could answer',
  failure: 'the user could not be identified',
  expired: 'the credential of the user has ended',
  revoked: 'the credential was revoked, or the user was disconnected',
  denied: 'none of the channels that the request names may be read',
  internal: 'a mistake in the gateway; the log has it',
} as const;

export type CloseReason = keyof typeof CLOSE_REASONS;
