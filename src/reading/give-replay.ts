import type { Position } from '../message/position.ts';
import type { Client } from './client.ts';
import type { ChannelPage } from './read-channels.ts';
import type { Replay } from './replay.ts';

/** Sends the client its resets and the messages that it has missed up to the seam. `ask`: repeats a request until it is answered. */
export async function giveReplay(
  replay: Replay,
  client: Client,
  seam: Position,
  ask: <Answer>(ask: () => Promise<Answer>) => Promise<Answer>,
): Promise<void> {
  for (const [i, { channel, reason }] of replay.resets.entries()) {
    // If no message follows, the last reset carries the seam: else a client that comes back would be notified of the same gap again.
    const last = replay.isEmpty && i === replay.resets.length - 1;
    client.reset(channel, reason, last ? seam : replay.position);
    await client.drained();
  }
  let given = 0;
  for (let more: number | undefined = 0; more !== undefined; given += more ?? 0) {
    more = await givePage(await ask(() => replay.next()), client);
  }
  client.replayed(replay.source, given);
  if (!client.hasLeft) client.hasAllUpTo(seam);
}

/** Answers how many messages the page had, or `undefined` if there is no other page. This is a function of its own so that a page is garbage while the next one is read. */
async function givePage(page: ChannelPage | undefined, client: Client): Promise<number | undefined> {
  if (!page) return undefined;
  for (const { channel, reason } of page.resets) client.reset(channel, reason);
  for (const delivery of page.deliveries) {
    client.give(delivery);
    await client.drained();
    if (client.hasLeft) return undefined;
  }
  return page.deliveries.length;
}
