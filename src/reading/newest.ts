import type { BacklogReader } from '../backlog/backlog.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, type Position } from '../message/position.ts';

/** The last message of a channel, if it is kept, and its revision. */
export interface Newest {
  revision: number;
  message: Message | undefined;
}

/** Finds the last message of each channel up to a position; if none is kept, the revision that the channel has now. */
export async function readNewest(
  backlog: BacklogReader,
  channels: string[],
  upTo: Position,
): Promise<Map<string, Newest>> {
  const found = new Map<string, Newest>();
  const reading = await backlog.open(channels.map((channel) => ({ channel, after: BEGINNING, upTo, last: 1 })));
  for (let page = await reading.next(); page; page = await reading.next()) {
    for (const message of page.messages) found.set(message.channel, { revision: message.revision, message });
  }
  const others = channels.filter((channel) => !found.has(channel));
  const counters = others.length > 0 ? await backlog.counters(others) : [];
  for (const [i, { revision }] of counters.entries()) found.set(others[i]!, { revision, message: undefined });
  return found;
}
