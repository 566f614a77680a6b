/**
 * Why a stream ended, as the word in logs and metrics. A test compares docs/reference/close-reasons.md with this list.
 */
export const CLOSE_REASONS = {
  client: 'the reader went away',
  slow: 'the reader left more unsent than the bound allows',
  gone: 'the reader acknowledged nothing of what was sent over two noops',
  shutdown: 'the gateway is being stopped and sends its readers elsewhere',
  redis: 'Redis was away for longer than the grace',
  capacity: 'there are as many streams as the gateway, or the user, may have',
  busy: 'more streams were being opened than Redis could answer',
  failure: 'the user could not be identified',
  expired: 'the credential of the user has ended',
  internal: 'a mistake in the gateway; the log has it',
} as const;

export type CloseReason = keyof typeof CLOSE_REASONS;
