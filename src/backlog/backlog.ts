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
  /** Describes the request: the same key with another fingerprint is refused (`idempotency_conflict`). */
  fingerprint: string;
}

/** A user's list of channels as of `version`, and the recent changes of the list. */
export interface Rights {
  /** The id of the last change that the store has noticed. */
  version: Position;
  /** From the channel to the id of its grant; `BEGINNING` if it has always been on the list. Invalid channel names are left out. */
  channels: Map<string, Position>;
  /** Recent changes, kept at least as long as messages are, in the order in which the store noticed them. */
  changes: Change[];
  /** Whether a plain PUBLISH that is not recorded yet may still move one of the changes to its own place. */
  unsettled: boolean;
  /** For the log: the names on the list that are no channel names, or another problem with the list. */
  problem: string | undefined;
}

export interface ReadRequest {
  channel: string;
  /** The position that the reader has: messages after it are read. */
  after: Position;
  /** Messages up to and including this position are read. */
  upTo: Position;
  /** If set, only the last so many messages are read, instead of those after `after`. */
  last?: number;
}

/** What a store knows of a channel whether or not its messages are kept. */
export interface Counter {
  /** The revision of the last message; 0 if there never was one, or if the channel is forgotten (see `knownFor`). */
  revision: number;
  /** The id of the last message; `BEGINNING` if there is none. */
  last: Position;
}

export interface Slice {
  channel: string;
  /** In id order. */
  messages: Message[];
  /** Why messages between `after` and the first of `messages` are gone; `undefined` if none are. */
  gap: ResetReason | undefined;
}

/** One page of the messages that a reader has missed. */
export interface Page {
  /** Channels that have lost messages since the reading began. The reader is notified of them before it gets the messages. */
  gaps: Map<string, ResetReason>;
  /** In id order across all channels, and later than the messages of the previous page. */
  messages: Message[];
}

/**
 * The messages that a reader has missed, one page at a time: a large backlog is never in memory as a whole, and other readers
 * get their turn between two pages.
 */
export interface Reading {
  /** Channels that have lost messages before the ones that are read, and why. No message of a channel is delivered before its gap. */
  readonly gaps: Map<string, ResetReason>;
  /**
   * The next page, or `undefined` at the end. The call means that the previous page is no longer needed. If it rejects, it
   * may be called again, and continues at the same place.
   */
  next(): Promise<Page | undefined>;
}

/** How much of a channel is kept. */
export interface Retention {
  length: number;
  /** Milliseconds. */
  ttl: number;
  /** Each message replaces the ones before it: a reader that is behind gets only the newest, and misses nothing. */
  isConflated?: boolean;
}

const DAY = 86_400_000;

/**
 * How long (ms) a store remembers a channel after its last message, at least. Then the counters of the channel go, and a reader
 * with an older position is notified that messages may have expired. The Lua side is known_for in store/redis/lua/expiry.lua.
 */
export function knownFor(ttl: number): number {
  return Math.max(2000, 2 * ttl, Math.min(7 * ttl, 7 * DAY));
}

/** A request for one user's list of channels. */
export interface ListRequest {
  user: string;
  known?: Position | undefined;
  /** How many channels were on the list, if known: fewer long lists are read in one call, so that a slow store is not blocked. */
  size?: number | undefined;
  /** Aborted when nobody waits for the list any more. */
  signal?: AbortSignal | undefined;
}

/**
 * Writes messages. Every call is one atomic step. It rejects with a SisyphusError within the times of patience.ts, as the calls
 * of RightsReader and BacklogReader do.
 */
export interface Publisher {
  /**
   * Publishes all in this order, or none. For 5 minutes, a call with the same idempotency key answers the first result.
   * @param trace what every message gets as its trace
   */
  publish(publications: Publication[], idempotency?: Idempotency, trace?: string): Promise<Published[]>;
  /** Changes the user's list, and publishes `data` on the user's channel. The idempotency key works as in `publish`. */
  grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published>;
  revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published>;
  /** Ends all open streams of the user, on every gateway, within a second. Answers the id of the disconnect. */
  disconnect(user: string): Promise<Position>;
  /** The id of now: whatever was published before has a lower one, and whatever is published later a higher one. */
  position(): Promise<Position>;
}

/** Reads which channels users may read. */
export interface RightsReader {
  /**
   * The lists of many users in few round trips; `undefined` if `known` is still the version. Rejects with the reason of a `signal`
   * that is aborted before its list was requested.
   */
  rights(users: ListRequest[]): Promise<(Rights | undefined)[]>;
}

/** Reads the messages that are kept. */
export interface BacklogReader {
  /**
   * Begins a reading, in pages; each channel occurs once in `requests`. If all messages fit into one page, they are read together
   * with the gaps, in one round trip. Once `signal` is aborted, nothing more is read, and calls that wait for their turn reject.
   * `isUrgent`: other readers wait for this reading.
   */
  open(requests: ReadRequest[], signal?: AbortSignal, isUrgent?: boolean): Promise<Reading>;
  /** The counters of these channels, in the same order. */
  counters(channels: readonly string[]): Promise<Counter[]>;
}

/** Everything that a store keeps: messages, revisions, and the rights of users. */
export interface Backlog extends Publisher, RightsReader, BacklogReader {}
