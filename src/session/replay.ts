import type { Backlog } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, comparePositions, isAfter, justBefore, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import { readChannels, type Wanted } from './read-channels.ts';
import { NOWHERE, type Start } from './start.ts';
import type { Timeline } from './timeline.ts';

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

/**
 * What a reader gets when its stream opens, before it goes over to live: everything after its position, up to the seam. `owedAfter`:
 * which channels are to be read, and from where on, for a reader that has everything up to a position.
 */
export async function readReplay(
  start: Start,
  seam: Position,
  owedAfter: (position: Position) => Wanted[],
  options: ReplayOptions,
): Promise<Replay> {
  if (start.kind === 'now') return { position: seam, resets: [], messages: [] };
  if (start.kind === 'overlap') return overlap(start.count, owedAfter(BEGINNING), seam, options);
  const { hub } = options;
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  const wanted = owedAfter(position).map((one) => ({ ...one, broken: brokenSince(start, one.after, hub) }));
  // From the beginning means from the beginning of this life: no gap was missed before it.
  return readMissed(wanted, position, seam, options, position === BEGINNING ? [] : hub.gaps);
}

/** What a reader that has everything up to `position` has missed of these channels, up to the seam. */
export async function readMissed(
  wanted: Wanted[],
  position: Position,
  seam: Position,
  options: ReplayOptions,
  gaps = options.hub.gaps,
): Promise<Replay> {
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
  wanted: Wanted[],
  seam: Position,
  { backlog, timeline }: ReplayOptions,
): Promise<Replay> {
  const slices = await backlog.read(wanted.map(({ channel, after }) => ({ channel, after, upTo: seam, last: count })));
  const messages = slices.flatMap((slice) => slice.messages.filter((message) => timeline.allows(message)));
  messages.sort((a, b) => comparePositions(a.id, b.id));
  const [first] = messages;
  return { position: first ? justBefore(first.id) : seam, resets: [], messages };
}
