/** The JavaScript side of the names in lua/names.lua. */

export const TOPIC_PREFIX = 'sisyphus{0}/';

/** The pub/sub channel of a channel's envelopes: without a colon, so that no pattern of plain channels matches it. */
export function topicOf(channel: string): string {
  return TOPIC_PREFIX + channel.replaceAll(':', '/');
}
