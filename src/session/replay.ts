import type { Backlog, Rights } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, comparePositions, isAfter, justAfter, justBefore, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import { readChannels } from './read-channels.ts';
import type { Start } from './start.ts';
import type { Timeline } from './timeline.ts';

/**
 * The position of a client whose own is none of ours, until it has read what follows: older than any store, so that it is
 * told again if the connection breaks before it was.
 */
const NOWHERE = justAfter(BEGINNING);

export interface Replay {
  /** What the client has until it has read what follows. */
  position: Position;
  resets: Reset[];
  /** In the order of ids, none after the seam. */
  messages: Message[];
}

export interface ReplayOptions {
  hub: Hub;
  backlog: Pick<Backlog, 'read'>;
  timeline: Timeline;
  recordsPlain: (channel: string) => boolean;
}

/** What a reader gets before it goes over to live: everything after its position, up to the seam. `own`: the user's channel. */
export async function readReplay(
  start: Start,
  seam: Position,
  own: string,
  channels: Rights['channels'],
  options: ReplayOptions,
): Promise<Replay> {
  if (start.kind === 'now') return { position: seam, resets: [], messages: [] };
  if (start.kind === 'overlap') return overlap(start.count, [own, ...channels.keys()], seam, options);
  const { hub, timeline } = options;
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  const wanted = [own, ...channels.keys()].map((channel) => {
    const after = timeline.startOf(channel, position, channels.get(channel));
    return { channel, after, broken: brokenSince(start, after, hub) };
  });
  // From the beginning means from the beginning of this life: no gap was missed before it.
  const gaps = position === BEGINNING ? [] : hub.gaps;
  const { resets, messages } = await readChannels(wanted, seam, { ...options, gaps });
  // Granted by a plain PUBLISH that was recorded late: what followed it may have a lower id than what the reader has.
  const overtaken = new Set(messages.filter(({ id }) => !isAfter(id, position)).map(({ channel }) => channel));
  for (const { channel } of resets) overtaken.delete(channel);
  for (const channel of overtaken) resets.push({ channel, reason: 'overtaken' });
  return { position, resets, messages: messages.filter(({ id }) => isAfter(id, position)) };
}

/** Why nothing can be promised of a channel, whatever its backlog says; it is read from `after` on. */
function brokenSince(start: Start, after: Position, hub: Hub): ResetReason | undefined {
  if (start.kind !== 'after') return 'unreadable';
  if (isAfter(start.position, hub.position)) return 'future';
  if (start.position === BEGINNING || !isAfter(hub.born, start.position)) return undefined;
  return isAfter(after, hub.born) ? undefined : 'flushed';
}

async function overlap(
  count: number,
  names: string[],
  seam: Position,
  { backlog, timeline }: ReplayOptions,
): Promise<Replay> {
  const slices = await backlog.read(names.map((channel) => ({ channel, after: BEGINNING, upTo: seam, last: count })));
  const messages = slices.flatMap((slice) => slice.messages.filter((message) => timeline.allows(message)));
  messages.sort((a, b) => comparePositions(a.id, b.id));
  const [first] = messages;
  return { position: first ? justBefore(first.id) : seam, resets: [], messages };
}
