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
export function judgeSlice({ after, head, entries, ttl, now }: KeptSlice): Judgement {
  const oldest = positionBefore(ttl, now);
  const messages = withoutOlderThan(oldest, entries);
  // Where nothing is kept, all of it is missing, and the head is the last of it.
  const lastMissing = messages[0]?.previous ?? head;
  const gap = isAfter(lastMissing, after) ? reasonOf(lastMissing, oldest, messages[0]?.revision) : undefined;
  return { messages, gap };
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
