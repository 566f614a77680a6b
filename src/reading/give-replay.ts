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
  while (await givePage(await ask(() => replay.next()), client));
  if (!client.hasLeft) client.hasAllUpTo(seam);
}

/** Answers whether there may be another page. This is a function of its own so that a page is garbage while the next one is read. */
async function givePage(page: ChannelPage | undefined, client: Client): Promise<boolean> {
  if (!page) return false;
  for (const { channel, reason } of page.resets) client.reset(channel, reason);
  for (const delivery of page.deliveries) {
    client.give(delivery);
    await client.drained();
    if (client.hasLeft) return false;
  }
  return true;
}
