import type { BacklogReader } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';
import type { Hub } from '../hub/hub.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';

/** The last message of a channel up to the seam. */
export interface RevisionHead {
  revision: number;
  /** Its id; `BEGINNING` if there is none. */
  id: Position;
  /** The revision of the channel's last message, which may have come after the seam. */
  latest: number;
}

/** Whether the client has seen more of a channel than this gateway has received: then it comes from another one, or the counter went back. */
export function isAhead(seen: ReadonlyMap<string, number>, hub: Pick<Hub, 'subscription'>): boolean {
  for (const [channel, revision] of seen) if (revision > (hub.subscription(channel)?.revision ?? revision)) return true;
  return false;
}

/** Whether the last message that the hub has of each channel is the last one that the client has seen, so that there is nothing to read. */
export function isUpToDate(seen: ReadonlyMap<string, number>, hub: Pick<Hub, 'subscription' | 'position'>): boolean {
  for (const [channel, revision] of seen) {
    const { head, revision: last, refused } = hub.subscription(channel) ?? {};
    if (head === undefined || last !== revision || refused || isAfter(head, hub.position)) return false;
  }
  return true;
}

/**
 * Finds the last message of each channel, with its revision: the hub knows it of the channels that it has received a message of, and of
 * those that were asked for before. So most polls ask the store nothing.
 *
 * @param channels followed by the reader
 * @throws SisyphusError `redis_unavailable`
 */
export async function headsOf(
  channels: string[],
  seam: Position,
  hub: Pick<Hub, 'subscription' | 'recent' | 'refresh'>,
  backlog: BacklogReader,
): Promise<Map<string, RevisionHead>> {
  const heads = new Map<string, RevisionHead>();
  const unknown = channels.filter((channel) => hub.subscription(channel)?.revision === undefined);
  const counters = unknown.length > 0 ? await backlog.counters(unknown) : [];
  const isUnheard = counters.some(({ last }, i) => isAfter(last, hub.subscription(unknown[i]!)?.head ?? BEGINNING));
  // These messages are on their way to the hub. When it has received them, it is known how many of them came before the seam.
  if (isUnheard) await hub.refresh();
  for (const [i, counter] of counters.entries()) {
    const channel = unknown[i]!;
    const subscription = hub.subscription(channel);
    subscription?.learn(counter);
    if (subscription?.revision !== undefined) continue;
    if (isAfter(counter.last, subscription?.head ?? BEGINNING))
      throw new SisyphusError('redis_unavailable', 'Redis has messages that it has not delivered yet');
    heads.set(channel, { revision: counter.revision, id: counter.last, latest: counter.revision });
  }
  for (const channel of channels) {
    if (!heads.has(channel)) heads.set(channel, headAt(seam, channel, hub));
  }
  return heads;
}

/** The last message of a channel up to the seam, from the hub, which knows its last one. */
function headAt(seam: Position, channel: string, hub: Pick<Hub, 'subscription' | 'recent'>): RevisionHead {
  const { head = BEGINNING, revision = 0 } = hub.subscription(channel) ?? {};
  const later = isAfter(head, seam) ? hub.recent(channel, seam)?.[0]?.message : undefined;
  if (!later) return { revision, id: head, latest: revision };
  return { revision: later.revision - 1, id: later.previous, latest: revision };
}
