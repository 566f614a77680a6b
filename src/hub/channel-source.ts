import type { Disconnect } from '../message/disconnect.ts';
import type { Message } from '../message/message.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';

/** Receives the events of one subscriber connection, in Redis's order. */
export interface SourceListener {
  /** The highest position that readers can have: new ids must be above it, even if the store has lost the messages up to it. */
  readonly position?: Position;
  /** The connection is there; no channel is subscribed yet. */
  up(): void;
  /** The connection is lost, and with it every subscription. */
  down(): void;
  /** `isDoubtful`: the message has a later id than the store can have given out, unless the store's clock was set. */
  message(message: Message, isDoubtful?: boolean): void;
  /** A gap was written to the store: messages that follow have later ids. */
  gap(gap: Gap): void;
  /** The store has lost its memory and begins a new life with this id; messages that follow belong to the new life. */
  reborn(born: Position): void;
  /** A plain PUBLISH on `user:<id>`, received before it is recorded. */
  plain(user: string, payload: Buffer): void;
  /** A read of the user's list found a change that no message carries. */
  changed(user: string, change: RightsChange): void;
  /** Streams are to end. May be called again with the same disconnect, and while the connection is lost. */
  disconnected(disconnect: Disconnect): void;
  /**
   * Streams of the user may be going to end: `disconnected` is called, if they are, before the returned function is. Until then nothing is
   * delivered to them.
   */
  suspected?(user: string): () => void;
}

/** A range of ids in which messages were lost, which no backlog shows: a reader with a position before `to` may have missed some. */
export interface Gap {
  reason: Extract<ResetReason, 'forked' | 'unrecorded'>;
  from: Position;
  to: Position;
  /**
   * `forked`: the channels that are known to have lost a message. `unrecorded`: the channels whose plain PUBLISHes were not recorded;
   * empty if any channel may have lost some.
   */
  lost: string[];
  /** Only of a fork. */
  extent?: ForkExtent;
}

/**
 * Whether `lost` names every channel that lost a message in a fork. `awaited`: a gateway that received everything until then may still
 * name more; `unheard`: there was no such gateway; `known`: these are all; `all`: any channel may have lost a message; `old`: the same as
 * `all`, of several old forks that were made one.
 */
export type ForkExtent = 'awaited' | 'unheard' | 'known' | 'all' | 'old';

/**
 * Whether the channel may have lost a message in the gap. `plain`: whether plain PUBLISHes on it are recorded. A reader
 * whose position lies within a fork is another matter: it has lost its place on every channel.
 */
export function mayHaveLost({ reason, lost, extent }: Gap, channel: string, plain: boolean): boolean {
  if (reason === 'forked') return extent === 'all' || extent === 'old' || lost.includes(channel);
  return lost.length > 0 ? lost.includes(channel) : plain;
}

export function isSameGap(one: Gap, other: Gap): boolean {
  return one.to === other.to && one.extent === other.extent && one.lost.length === other.lost.length;
}

/** The state of the store at one moment. */
export interface Mark {
  /** The last id that the store has given out. When the mark is answered, every message up to it has been received. */
  position: Position;
  /** The id with which this life of the store began. If it changes, the store has lost its memory. */
  born: Position;
  /** In the order of ids; few, or none. */
  gaps: Gap[];
  /** The id of the last message of each requested channel, in the same order; `BEGINNING` if the store knows of none. */
  heads: Position[];
  /** The time by the store's clock, if it has one of its own. */
  now?: Position;
}

/** The part of a store that the hub needs: it subscribes channels and delivers their messages in one order. */
export interface ChannelSource {
  start(listener: SourceListener): void;
  /**
   * Subscribes these channels; for `user:<id>` also their plain PUBLISHes. Settles when each subscription is acknowledged. Answers the
   * channels that were refused (by an ACL); rejects if the connection is lost.
   */
  subscribe(channels: string[]): Promise<string[]>;
  unsubscribe(channels: string[]): void;
  /** Reads heads on the connection that receives the messages, so that the answer has its place among them. Rejects after `COMMAND`. */
  mark(channels: string[]): Promise<Mark>;
  /**
   * Settles when every plain PUBLISH made before the call is recorded, and its record is received if its channel is subscribed. Settles
   * after `SETTLING` in any case, because there may be no recorder.
   */
  settle(): Promise<void>;
  /**
   * Notes in the store which channels have lost messages in a fork, for readers at other gateways and for readers that come back later.
   * `some`: this gateway knows that these have. `all`: it is not known which have, so any channel may have, unless a gateway that had
   * received everything has reported.
   */
  reportLost(fork: Gap, extent: 'some' | 'all', channels: string[]): Promise<void>;
  close(): Promise<void>;
}
