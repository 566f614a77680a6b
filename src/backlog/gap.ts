import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter, type Position, positionBefore } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

/** The state of one channel in a store, read in one atomic step. */
export interface KeptSlice {
  /** The reader has every message up to this position. */
  after: Position;
  /** The id of the channel's last message, `BEGINNING` if there never was one. It outlives the backlog. */
  head: Position;
  /** All messages that are kept after `after`, in id order. */
  entries: Message[];
  /** How long a message is replayed (ms). */
  ttl: number;
  /** The store's clock (ms). */
  now: number;
  /**
   * From when on the store remembers. If it does not know a channel, nothing was published there since then; if it knows a first
   * message, and that is later, nothing was published between the two. Messages before may have been forgotten. If this is not
   * set, the store never forgets.
   */
  knownSince?: Position;
  /** See `Retention`. */
  isConflated?: boolean | undefined;
}

/** The messages to replay, and why some are missing, if any are. */
export interface Judgement {
  messages: Message[];
  gap: ResetReason | undefined;
}

/**
 * No message is missing if none came after `after`, or if the kept ones begin with the message right after it. Messages older
 * than `ttl` are not replayed, even if the backlog still has them.
 */
export function judgeSlice(kept: KeptSlice): Judgement {
  const { after, head, entries, ttl, now, knownSince = BEGINNING, isConflated } = kept;
  const oldest = positionBefore(ttl, now);
  const messages = withoutOlderThan(oldest, entries);
  // If no message is kept, all are missing, and the head is the last of them.
  const lastMissing = messages[0]?.previous ?? head;
  // If the kept messages begin with the channel's first, only forgotten ones can be missing.
  if (!isAfter(lastMissing, after) && !isForgotten(lastMissing, after, knownSince)) return { messages, gap: undefined };
  return { messages, gap: gapOf({ lastMissing, oldest, next: messages[0]?.revision, isConflated }) };
}

/**
 * Whether the store may have forgotten messages after `after`. That is so if it knows of no message before those that it keeps, and has
 * known the channel only since a later position.
 */
export function isForgotten(lastMissing: Position, after: Position, knownSince: Position): boolean {
  return lastMissing === BEGINNING && after !== BEGINNING && isAfter(knownSince, after);
}

/** Messages that a reader has missed and that are gone. */
export interface Missing {
  /** The id of the last one, `BEGINNING` if it is forgotten. */
  lastMissing: Position;
  /** Messages before this position are too old to be replayed. */
  oldest: Position;
  /** The revision of the message that is kept behind them; 0 or `undefined` if there is none. */
  next: number | undefined;
  /** See `Retention`. */
  isConflated: boolean | undefined;
}

/** Why the messages are gone; `undefined` if the reader does not miss them, because a later one that is kept replaces them. */
export function gapOf({ lastMissing, oldest, next, isConflated }: Missing): ResetReason | undefined {
  // Revision 1, and yet a message is missing before it: the counter of the channel's messages was lost.
  if (next === 1 && lastMissing !== BEGINNING) return 'flushed';
  if (next && isConflated) return undefined;
  return isAfter(oldest, lastMissing) || lastMissing === BEGINNING ? 'expired' : 'trimmed';
}

/** Entries are in id order, so those that are too old are at the front. */
function withoutOlderThan(oldest: Position, entries: Message[]): Message[] {
  if (oldest === BEGINNING || entries.length === 0 || !isAfter(oldest, entries[0]!.id)) return entries;
  return entries.filter(({ id }) => !isAfter(oldest, id));
}
