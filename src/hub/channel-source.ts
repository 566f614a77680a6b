import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';

/** What one subscriber connection says, in Redis's order. */
export interface SourceListener {
  /** What readers have been given, at most: ids must rise above it, also where the store has lost it. */
  readonly position?: Position;
  /** Connected; nothing is subscribed yet. */
  up(): void;
  /** The connection is gone, and with it every subscription. */
  down(): void;
  /** `isDoubtful`: it has a later id than the store can have given out, unless its clock was set. */
  message(message: Message, isDoubtful?: boolean): void;
  /** A gap was written: what follows has later ids. */
  gap(gap: Gap): void;
  /** The store has lost its memory, and begins a new life with this id; what follows is of it. */
  reborn(born: Position): void;
  /** A plain PUBLISH on `user:<id>`, heard before it is recorded. */
  plain(user: string, payload: Buffer): void;
  /** A look at the user's list found a change that no message tells. */
  changed(user: string, change: RightsChange): void;
}

/** A hole in the order that no backlog shows: whoever stands before `to` may have missed something. */
export interface Gap {
  reason: Extract<ResetReason, 'forked' | 'unrecorded'>;
  from: Position;
  to: Position;
  /**
   * Of a fork: the channels that are known to have lost a message. Of plain PUBLISHes that were not recorded: the only
   * channels that have lost some, or none where it may be any of them.
   */
  lost: string[];
  /** Of a fork. */
  extent?: ForkExtent;
}

/**
 * Whether `lost` is all that a fork has cost. `awaited`: who had heard everything until then may still say; `unheard`: nobody
 * had; `known`: it is all; `all`: it may have cost any channel a message; `old`: so, and it is several in one.
 */
export type ForkExtent = 'awaited' | 'unheard' | 'known' | 'all' | 'old';

/**
 * Whether the channel may have lost a message in the gap; `plain`: whether plain PUBLISHes on it are recorded. In a fork, also a
 * reader whose position lies in it has lost its place, whatever the channel.
 */
export function mayHaveLost({ reason, lost, extent }: Gap, channel: string, plain: boolean): boolean {
  if (reason === 'forked') return extent === 'all' || extent === 'old' || lost.includes(channel);
  return lost.length > 0 ? lost.includes(channel) : plain;
}

export function isSameGap(one: Gap, other: Gap): boolean {
  return one.to === other.to && one.extent === other.extent && one.lost.length === other.lost.length;
}

/** What the store says of itself at one moment. */
export interface Mark {
  /** The last id given out. When the mark is answered, everything up to it has been heard. */
  position: Position;
  /** The id that began this life of the store; another one means that it has lost its memory. */
  born: Position;
  /** In order; few, or none. */
  gaps: Gap[];
  /** The id of the last message of each channel asked for, `BEGINNING` where none is known. */
  heads: Position[];
  /** The store's clock, where it has one of its own. */
  now?: Position;
}

/** What the hub needs from a store: to hear channels, in one order. */
export interface ChannelSource {
  start(listener: SourceListener): void;
  /**
   * Hears these channels from now on; for `user:<id>` also plain PUBLISHes. Settles when each is acknowledged.
   * Answers the channels that were refused (an ACL); rejects when the connection is lost.
   */
  subscribe(channels: string[]): Promise<string[]>;
  unsubscribe(channels: string[]): void;
  /** Reads heads on the connection that hears the messages, so that the answer has its place among them. Rejects after `COMMAND`. */
  mark(channels: string[]): Promise<Mark>;
  /**
   * Settles when every plain PUBLISH made before the call is recorded, and its record heard if its channel is subscribed; after
   * `SETTLING` in any case, because there may be nobody who records.
   */
  settle(): Promise<void>;
  /**
   * Notes which channels have lost messages in a fork, for readers at other gateways, and for those that come back later. `some`:
   * these have, as far as is known here; `all`: nobody knows which, so any may have, unless one that had heard everything has said.
   */
  reportLost(fork: Gap, extent: 'some' | 'all', channels: string[]): Promise<void>;
  close(): Promise<void>;
}
