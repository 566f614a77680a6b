import type { Backlog, ReadRequest } from '../backlog/backlog.ts';
import { type Gap, mayHaveLost } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import type { Message } from '../message/message.ts';
import { comparePositions, isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import type { Timeline } from './timeline.ts';

/** One channel, and what is to be read of it: everything after this position. */
export interface Wanted {
  channel: string;
  after: Position;
  /** Why nothing can be promised, whatever the backlog says: then only the backlog is asked. */
  broken?: ResetReason | undefined;
}

export interface Sources {
  hub: Pick<Hub, 'recent'>;
  backlog: Pick<Backlog, 'read'>;
  timeline: Timeline;
  /** The gaps that were known before the channels were followed: of later ones the hub tells. */
  gaps: Gap[];
  recordsPlain: (channel: string) => boolean;
}

export interface ReadMessages {
  /** For each channel one at most. */
  resets: Reset[];
  /** What is for the user, in the order of ids. */
  messages: Message[];
  /** From where the backlog of a channel was read, if what it keeps does not reach back to there. */
  gaps: Map<string, Position>;
}

/**
 * Reads what was published on these channels up to the seam: from the hub's memory if that has all of it, else from the backlog.
 * The seam is the hub's position at a moment when the reader already heard every one of the channels, so whatever has a later id
 * reaches the reader live: nothing is in both, nothing in neither.
 */
export async function readChannels(
  wanted: Wanted[],
  seam: Position,
  { hub, backlog, timeline, gaps: known, recordsPlain }: Sources,
): Promise<ReadMessages> {
  const reasons = new Map<string, ResetReason>();
  const messages: Message[] = [];
  const reads: ReadRequest[] = [];
  for (const { channel, after, broken } of wanted) {
    const reason = broken ?? gapAfter(known, channel, after, recordsPlain(channel))?.reason;
    if (reason) reasons.set(channel, reason);
    // What the hub has heard is not looked for in the backlog, which may have been trimmed since.
    const recent = broken ? undefined : hub.recent(channel, after);
    if (recent) for (const message of recent) isAfter(message.id, seam) || messages.push(message);
    else reads.push({ channel, after, upTo: seam });
  }
  const gaps = new Map<string, Position>();
  for (const [i, slice] of (reads.length > 0 ? await backlog.read(reads) : []).entries()) {
    if (slice.gap) gaps.set(slice.channel, reads[i]!.after);
    if (slice.gap && !reasons.has(slice.channel)) reasons.set(slice.channel, slice.gap);
    for (const message of slice.messages) messages.push(message);
  }
  const allowed = timeline.isQuiet ? messages : messages.filter((message) => timeline.allows(message));
  allowed.sort((a, b) => comparePositions(a.id, b.id));
  return { resets: [...reasons].map(([channel, reason]) => ({ channel, reason })), messages: allowed, gaps };
}

/** The gap in which something may be lost that was published on the channel after this position. */
export function gapAfter(gaps: Gap[], channel: string, position: Position, plain: boolean): Gap | undefined {
  return gaps.find((gap) => {
    const { reason, from, to, lost } = gap;
    if (!isAfter(to, position)) return false;
    if (reason === 'unrecorded') return mayHaveLost(gap, channel, plain);
    // Of a fork: who stood on the branch that is gone, and who missed what is known to have been on it.
    return isAfter(position, from) || lost.includes(channel);
  });
}
