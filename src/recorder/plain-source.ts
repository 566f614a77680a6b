import type { Place } from '../message/place.ts';
import type { Position } from '../message/position.ts';

/** How many plain PUBLISHes there have been, by Redis's own count, in one life of the server. */
export interface Count {
  life: string;
  number: number;
}

export interface PlainMessage extends Place {
  count: Count;
  /** Empty: no message, but somebody who wants to know when everything before it is recorded. */
  channel: string;
  payload: Buffer;
}

/** What the recorder hears, in Redis's order. */
export interface PlainListener {
  up(): void;
  down(): void;
  /** Once for each PUBLISH on a plain channel, recorded or not; nothing that is not in Redis's own count of PUBLISHes. */
  plain(channel: string, payload: Buffer): void;
  /** A record went by; `place` is that of the plain PUBLISH, if it is the record of one. */
  recorded(id: Position, place: Place | undefined): void;
  /** An anchor went by. */
  anchored(id: Position, name: string, count: Count): void;
  /** Somebody wants to know when everything before this id is recorded. */
  settle(id: Position): void;
  /** Everything that was published before this id is recorded. */
  settled(id: Position): void;
  /** Somebody has given the lease back, or other channels are to be recorded: the lease is to be looked at at once. */
  released(): void;
}

export interface LeaseRequest {
  name: string;
  /** Milliseconds. */
  ttl: number;
  /** The place where this recorder began to listen, and the count of plain PUBLISHes there. */
  from: Position;
  fromCount: Count;
  /** Up to where it has recorded everything, as the owner. */
  upTo: (Place & { count: Count }) | undefined;
  /**
   * `ask` whether one more is needed; `keep` it, or take what has run out; `release` it, having recorded all that was heard;
   * `leave`: stand by no longer.
   */
  wanted: 'ask' | 'keep' | 'release' | 'leave';
  /** With `release`: it has only lost its connection, and will be back. */
  again: boolean;
}

export interface LeaseAnswer {
  role: 'leader' | 'standby' | 'uncovered' | 'spare' | 'room';
  /** Everything up to here is recorded. */
  place: Place;
  /** Whether somebody has the lease, and has renewed it lately. */
  isHeld: boolean;
}

/** A plain PUBLISH that cannot be recorded, because something is wrong with what is kept of its channel. */
export interface Failure {
  channel: string;
  reason: string;
}

export interface Recorded {
  recorded: number;
  /** They were recorded before. */
  skipped: number;
  /** Their places are past all the same, and readers are told by a gap. */
  failed: Failure[];
}

/**
 * Where plain PUBLISHes come from, and who records them. Today a pattern subscription; the replication stream, which also
 * has what was published while no gateway ran, could be another.
 */
export interface PlainSource {
  start(listener: PlainListener): void;
  /** Hears plain channels and records from now on, until `deafen`. */
  listen(): Promise<void>;
  deafen(): Promise<void>;
  /** Makes an anchor go by. Also the heartbeat of the connection: it is cut where this takes 2 s. */
  anchor(name: string): Promise<void>;
  lease(request: LeaseRequest): Promise<LeaseAnswer>;
  /** Records what is not recorded yet, in order. @throws FencedError where another gateway has the lease */
  record(name: string, messages: PlainMessage[]): Promise<Recorded>;
  close(): Promise<void>;
}

export class FencedError extends Error {
  override readonly name = 'FencedError';
}
