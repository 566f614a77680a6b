import type { Place } from '../message/place.ts';
import type { Position } from '../message/position.ts';

/** The number of plain PUBLISHes by Redis's own count. Counts are comparable only within one life of the server. */
export interface Count {
  life: string;
  number: number;
}

export interface PlainMessage extends Place {
  count: Count;
  /** Empty: the entry is no message, but a question whether everything before it is recorded. */
  channel: string;
  payload: Buffer;
}

/** Receives the events of a `PlainSource`, in Redis's order. */
export interface PlainListener {
  up(): void;
  down(): void;
  /** Called once for each PUBLISH on a plain channel, recorded or not, and for nothing that Redis's own count does not contain. */
  plain(channel: string, payload: Buffer): void;
  /** Called when a record is received. `place`: that of the plain PUBLISH, if it is the record of one. */
  recorded(id: Position, place: Place | undefined): void;
  /** Called when an anchor is received. `name`: of the listening period that asked for it. */
  anchored(id: Position, name: string, count: Count): void;
  /** Called when a gateway asks to be notified as soon as everything before this id is recorded. */
  settle(id: Position): void;
  /** Called when everything that was published before this id is recorded. */
  settled(id: Position): void;
  /** Called when the lease was given back, or when other channels are to be recorded: the recorder must ask for the lease at once. */
  released(): void;
}

export interface LeaseRequest {
  /** The name of the listening period. */
  name: string;
  /** How long the lease lasts (ms). */
  ttl: number;
  /** The id at which this recorder began to listen, and the count of plain PUBLISHes there. */
  from: Position;
  fromCount: Count;
  /** The place up to which it has recorded everything, if it owns the lease and its queue is empty. */
  upTo: (Place & { count: Count }) | undefined;
  /**
   * `ask`: whether one more listening gateway is needed. `keep`: renew the lease, take it if it has run out, or else stand by.
   * `release`: give the lease back, because everything received is recorded. `leave`: stand by no longer.
   */
  wanted: 'ask' | 'keep' | 'release' | 'leave';
  /** With `release`: this gateway has only lost its connection, and will be back. */
  again: boolean;
}

export interface LeaseAnswer {
  /** `leader`: owns the lease. For the others, see lease.lua. */
  role: 'leader' | 'standby' | 'uncovered' | 'spare' | 'room';
  /** The place up to which everything is recorded. */
  place: Place;
  /** Whether a gateway owns the lease, and the lease has not run out. */
  isHeld: boolean;
}

/** A plain PUBLISH that cannot be recorded, because a key of its channel is broken. */
export interface Failure {
  channel: string;
  reason: string;
}

/** The result of recording a batch. */
export interface Recorded {
  /** Messages that this call has recorded. */
  recorded: number;
  /** Messages that had been recorded before. */
  skipped: number;
  /** Messages that cannot be recorded. Their places count as recorded all the same, and a gap tells the readers. */
  failed: Failure[];
}

/**
 * The source of plain PUBLISHes, which also keeps the lease and the records. Today it is a pattern subscription. Another one could be
 * the replication stream, which also contains what was published while no gateway ran.
 */
export interface PlainSource {
  start(listener: PlainListener): void;
  /** Subscribes to plain channels and to records, until `deafen`. */
  listen(): Promise<void>;
  deafen(): Promise<void>;
  /** Publishes an anchor to all listeners. Also the heartbeat of the connection, which is cut if this takes 2 s. */
  anchor(name: string): Promise<void>;
  lease(request: LeaseRequest): Promise<LeaseAnswer>;
  /** Records the messages that are not recorded yet, in order. @throws FencedError if another gateway owns the lease */
  record(name: string, messages: PlainMessage[]): Promise<Recorded>;
  close(): Promise<void>;
}

/** This gateway does not own the lease any more. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}
