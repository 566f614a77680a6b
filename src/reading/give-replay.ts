import type { Position } from '../message/position.ts';
import type { Client } from './client.ts';
import type { ChannelPage } from './read-channels.ts';
import type { Replay } from './replay.ts';

/** Gives the client what must be announced, and what it has missed up to the seam. `ask`: asks for a page until it is there. */
export async function giveReplay(
  replay: Replay,
  client: Client,
  seam: Position,
  ask: <Answer>(ask: () => Promise<Answer>) => Promise<Answer>,
): Promise<void> {
  for (const [i, { channel, reason }] of replay.resets.entries()) {
    // If nothing follows, the last one says so: or the client would be told again of a gap that it knows.
    const last = replay.isEmpty && i === replay.resets.length - 1;
    client.reset(channel, reason, last ? seam : replay.position);
    await client.drained();
  }
  while (await givePage(await ask(() => replay.next()), client));
  if (!client.hasLeft) client.hasAllUpTo(seam);
}

/** Answers whether there may be another one. A function of its own: a page is forgotten while the next one is read. */
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
