import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter, type Position, positionBefore } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

/** What a store found of one channel, read in one atomic step. */
export interface KeptSlice {
  /** What the reader has: everything up to this. */
  after: Position;
  /** The id of the channel's last message, `BEGINNING` where there never was one. Outlives the backlog. */
  head: Position;
  /** What is kept after `after`, in id order, and nothing left out. */
  entries: Message[];
  /** How long a message is replayed (ms). */
  ttl: number;
  /** The store's clock (ms). */
  now: number;
  /**
   * Of a channel of which nothing is known, nothing was published since then; and nothing before its first message, if
   * that is later. What was before may have been forgotten. Without it nothing ever is.
   */
  knownSince?: Position;
}

/** What is replayed of it, and why there is less than there should be. */
export interface Judgement {
  messages: Message[];
  gap: ResetReason | undefined;
}

/**
 * Nothing is missing where nothing came after `after`, or where what is kept begins with the message right behind it.
 * What is older than `ttl` is not replayed, also where the backlog still has it.
 */
export function judgeSlice({ after, head, entries, ttl, now, knownSince = BEGINNING }: KeptSlice): Judgement {
  const oldest = positionBefore(ttl, now);
  const messages = withoutOlderThan(oldest, entries);
  // Where nothing is kept, all of it is missing, and the head is the last of it.
  const lastMissing = messages[0]?.previous ?? head;
  // From the beginning of what is there: nothing of it is missing.
  if (isForgotten(lastMissing, after, knownSince)) return { messages, gap: 'expired' };
  const gap = isAfter(lastMissing, after) ? reasonOf(lastMissing, oldest, messages[0]?.revision) : undefined;
  return { messages, gap };
}

/** Whether what is missing behind `after` may have been forgotten: nothing is known of what came before. */
export function isForgotten(lastMissing: Position, after: Position, knownSince: Position): boolean {
  return lastMissing === BEGINNING && after !== BEGINNING && isAfter(knownSince, after);
}

/**
 * Why a message is gone that a reader has missed. `oldest`: where what is replayed begins, by its age; `revision`: of the first
 * message that is kept.
 */
export function reasonOf(lastMissing: Position, oldest: Position, revision: number | undefined): ResetReason {
  // A first message with another before it: what counts the channel's messages was lost.
  if (revision === 1) return 'flushed';
  return isAfter(oldest, lastMissing) ? 'expired' : 'trimmed';
}

/** Entries rise, so what is too old is at the front. */
function withoutOlderThan(oldest: Position, entries: Message[]): Message[] {
  if (oldest === BEGINNING || entries.length === 0 || !isAfter(oldest, entries[0]!.id)) return entries;
  return entries.filter(({ id }) => !isAfter(oldest, id));
}
