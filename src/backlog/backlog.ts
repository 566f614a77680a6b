import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Change } from '../message/rights-change.ts';

export interface Publication {
  channel: string;
  data: Buffer;
  event?: string | undefined;
}

export interface Published {
  channel: string;
  id: Position;
  revision: number;
}

export interface Idempotency {
  /** At most 255 characters. */
  key: string;
  /** Tells whether the same key came with the same request. */
  fingerprint: string;
}

/** A user's list of channels as of `version`, and how it came to be. */
export interface Rights {
  /** The id of the last change, as far as the store has noticed. */
  version: Position;
  /** Channel to the id it was granted with; `BEGINNING` if it has always been there. Names that are no channels are left out. */
  channels: Map<string, Position>;
  /** The changes of the last while (at least as long as a message is kept), in the order in which they were noticed. */
  changes: Change[];
  /** A plain PUBLISH that is not recorded yet may move one of the changes to its own place. */
  unsettled: boolean;
  /** Names on the list that are no channel names, or what is wrong with the list; for the log. */
  problem: string | undefined;
}

export interface ReadRequest {
  channel: string;
  /** Everything after this … */
  after: Position;
  /** … up to and with this. */
  upTo: Position;
  /** Instead of `after`: the last so many. */
  last?: number;
}

export interface Slice {
  channel: string;
  /** In id order. */
  messages: Message[];
  /** Set where messages between `after` and the first of `messages` are gone. */
  gap: ResetReason | undefined;
}

/** A part of what a reader has missed. */
export interface Page {
  /** Channels of which something has gone since the reading began: to be told before the messages. */
  gaps: Map<string, ResetReason>;
  /** In the order of ids, across all channels; later than those of the page before. */
  messages: Message[];
}

/**
 * What a reader has missed, a page at a time: large backlogs are never in memory as a whole, and whoever else reads gets their
 * turn between two pages.
 */
export interface Reading {
  /** Channels of which messages are gone that came before what is read, and why. Nothing of a channel is given before its gap. */
  readonly gaps: Map<string, ResetReason>;
  /**
   * The next page, or `undefined` at the end. Asking for it says that the page before is no longer needed. Where it rejects, it
   * may be asked again, and goes on where it was.
   */
  next(): Promise<Page | undefined>;
}

/** How much of a channel is kept. */
export interface Retention {
  length: number;
  /** Milliseconds. */
  ttl: number;
}

const DAY = 86_400_000;

/**
 * How long (ms) a store knows of a channel after its last message, at least: then its counters go, and whoever has a position
 * from before that is told that something may have expired. The Lua side is known_for in store/redis/lua/expiry.lua.
 */
export function knownFor(ttl: number): number {
  return Math.max(2000, 2 * ttl, Math.min(7 * ttl, 7 * DAY));
}

/** Whose list is asked for. */
export interface ListRequest {
  user: string;
  known?: Position | undefined;
  /** How many channels were on it, if that is known: a store that is slow is asked for fewer at a time. */
  size?: number | undefined;
  /** Aborted when nobody waits for it any more. */
  signal?: AbortSignal | undefined;
}

/** Writes messages. Every call is one atomic step, and rejects with a SisyphusError as soon as patience.ts says, as those of the readers do. */
export interface Publisher {
  /** All in this order, or none. The same idempotency key answers the first result for 5 minutes. */
  publish(publications: Publication[], idempotency?: Idempotency): Promise<Published[]>;
  /** Changes the list and tells the user's channel; `data` is what is told. The key is as above. */
  grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published>;
  revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published>;
}

/** Reads who may see what. */
export interface RightsReader {
  /**
   * The lists of many users in few round trips; `undefined` where `known` still is the version. Rejects with the reason of a `signal`
   * that is aborted before its list was asked for.
   */
  rights(users: ListRequest[]): Promise<(Rights | undefined)[]>;
}

/** Reads the messages that are kept. */
export interface BacklogReader {
  /**
   * In pages; each channel comes once. What fits into one page has been read with the gaps, in one round trip. Once
   * `signal` is aborted, nothing more is read, and what waits for its turn rejects. `isUrgent`: others wait for it.
   */
  open(requests: ReadRequest[], signal?: AbortSignal, isUrgent?: boolean): Promise<Reading>;
}

/** What a store keeps: messages, revisions, and who may see what. */
export interface Backlog extends Publisher, RightsReader, BacklogReader {}
