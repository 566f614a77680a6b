import type { Backlog, ReadRequest, Rights } from '../backlog/backlog.ts';
import { type Gap, mayHaveLost } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import { type Message, wasPublishedAfter } from '../message/message.ts';
import {
  BEGINNING,
  comparePositions,
  isAfter,
  justAfter,
  justBefore,
  laterOf,
  type Position,
} from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Start } from './start.ts';

/**
 * The position of a client whose own is none of ours, until it has read what follows: older than any store, so that it is
 * told again if the connection breaks before it was.
 */
const NOWHERE = justAfter(BEGINNING);

export interface Replay {
  /** What the client has until it has read what follows. */
  position: Position;
  resets: { channel: string; reason: ResetReason }[];
  /** In the order of ids, none after the seam. */
  messages: Message[];
}

export interface ReplayOptions {
  hub: Hub;
  backlog: Pick<Backlog, 'read'>;
  recordsPlain: (channel: string) => boolean;
}

/**
 * What a reader gets before it goes over to live: everything after its position, up to the seam.
 *
 * The seam is the hub's position at the moment of the call, when the reader already hears every one of the channels:
 * what has an id up to it is read here (from memory, if the hub can prove that it has it all; else from the backlog),
 * and whatever has a later one reaches the reader live. Nothing is in both, nothing in neither.
 */
export async function readReplay(
  start: Start,
  own: string,
  { channels, announced }: Pick<Rights, 'channels' | 'announced'>,
  { hub, backlog, recordsPlain }: ReplayOptions,
): Promise<Replay> {
  const seam = hub.position;
  if (start.kind === 'now') return { position: seam, resets: [], messages: [] };
  const names = [own, ...channels.keys()];
  if (start.kind === 'overlap') return overlap(start.count, names, seam, backlog);
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  const resets: Replay['resets'] = [];
  const messages: Message[] = [];
  const reads: ReadRequest[] = [];
  for (const channel of names) {
    const granted = channels.get(channel) ?? BEGINNING;
    const published = announced.get(channel)?.after ?? granted;
    const after = isAfter(granted, position) ? published : position;
    const reason = brokenSince(start, channel, granted, recordsPlain(channel), hub);
    if (reason) resets.push({ channel, reason });
    const recent = reason ? undefined : hub.recent(channel, after);
    if (recent) for (const message of recent) isAfter(message.id, seam) || messages.push(message);
    else reads.push({ channel, after, upTo: seam });
  }
  const slices = reads.length > 0 ? await backlog.read(reads) : [];
  for (const { channel, gap, messages: read } of slices) {
    if (gap && !resets.some((reset) => reset.channel === channel)) resets.push({ channel, reason: gap });
    for (const message of read) messages.push(message);
  }
  const owed = messages.filter((message) => {
    const id = channels.get(message.channel);
    if (id === undefined || !isAfter(id, position)) return true;
    return wasPublishedAfter(message, announced.get(message.channel) ?? { id, after: undefined });
  });
  for (const { id, channel } of owed) {
    // Granted by a plain PUBLISH that was recorded late: what followed it has a lower id than what the reader has.
    if (isAfter(id, position) || resets.some((reset) => reset.channel === channel)) continue;
    resets.push({ channel, reason: 'overtaken' });
  }
  const following = owed.filter(({ id }) => isAfter(id, position));
  following.sort((a, b) => comparePositions(a.id, b.id));
  return { position, resets, messages: following };
}

/** Why nothing can be promised of a channel, whatever its backlog says; it was granted at `granted`. */
function brokenSince(
  start: Start,
  channel: string,
  granted: Position,
  plain: boolean,
  hub: Hub,
): ResetReason | undefined {
  if (start.kind !== 'after') return 'unreadable';
  const { position } = start;
  if (isAfter(position, hub.position)) return 'future';
  // From the beginning means from the beginning of this life: nothing was missed before it.
  if (position !== BEGINNING && isAfter(hub.born, position)) return isAfter(granted, hub.born) ? undefined : 'flushed';
  if (position === BEGINNING) return undefined;
  return gapAfter(hub.gaps, channel, laterOf(position, granted), plain)?.reason;
}

/** The gap in which something may be lost that was published on the channel after this position. */
export function gapAfter(gaps: Gap[], channel: string, position: Position, plain: boolean): Gap | undefined {
  return gaps.find((gap) => {
    const { reason, from, to } = gap;
    if (!isAfter(to, position)) return false;
    // Of a fork: who stood on the branch that is gone, and who missed what is known to have been on it.
    return (reason === 'forked' && isAfter(position, from)) || mayHaveLost(gap, channel, plain);
  });
}

async function overlap(
  count: number,
  names: string[],
  seam: Position,
  backlog: Pick<Backlog, 'read'>,
): Promise<Replay> {
  const slices = await backlog.read(names.map((channel) => ({ channel, after: BEGINNING, upTo: seam, last: count })));
  const messages = slices.flatMap((slice) => slice.messages).sort((a, b) => comparePositions(a.id, b.id));
  const [first] = messages;
  return { position: first ? justBefore(first.id) : seam, resets: [], messages };
}
