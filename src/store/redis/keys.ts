/** The JavaScript side of the names in lua/names.lua. */

const PREFIX = 'sisyphus:{0}:';
export const TOPIC_PREFIX = 'sisyphus{0}/';

export const CLOCK_KEY = `${PREFIX}clock`;

export function backlogKey(channel: string): string {
  return `${PREFIX}channel:${channel}:msg_backlog`;
}

export function headKey(channel: string): string {
  return `${PREFIX}channel:${channel}:msg_last`;
}

/** The pub/sub channel of a channel's envelopes: without a colon, so that no pattern of plain channels matches it. */
export function topicOf(channel: string): string {
  return TOPIC_PREFIX + channel.replaceAll(':', '/');
}

/** No name of a channel has a slash. */
export function channelOfTopic(topic: string): string {
  return topic.slice(TOPIC_PREFIX.length).replaceAll('/', ':');
}
