import type { Position } from '../message/position.ts';

/**
 * What names a plain PUBLISH: the last id recorded before it, and its number behind that id. Everybody who hears all
 * plain PUBLISHes and all records on one connection counts the same places.
 */
export interface Place {
  id: Position;
  number: number;
}

export interface PlainMessage extends Place {
  channel: string;
  payload: Buffer;
}

/** What the recorder hears, in Redis's order. */
export interface PlainListener {
  up(): void;
  down(): void;
  /** Once for each PUBLISH on a plain channel, recorded or not. */
  plain(channel: string, payload: Buffer): void;
  /** A record of whatever origin went by. */
  recorded(id: Position): void;
  /** An anchor went by; `count` is how many plain PUBLISHes Redis had seen by then. */
  anchored(id: Position, name: string, count: number): void;
  /** Somebody has given the lease back. */
  released(): void;
}

export interface LeaseRequest {
  name: string;
  /** Milliseconds. */
  ttl: number;
  /** The place where this recorder began to listen. */
  from: Position;
  /** Up to where it has recorded everything, as the owner. */
  upTo: Place | undefined;
  wanted: 'ask' | 'keep' | 'force' | 'release' | 'leave';
  /** Whether plain PUBLISHes may have gone unheard by this gateway. */
  gap: boolean;
}

export interface LeaseAnswer {
  role: 'leader' | 'standby' | 'uncovered' | 'spare' | 'room';
  /** Everything up to here is recorded. */
  place: Place;
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
  record(name: string, messages: PlainMessage[]): Promise<{ recorded: number; skipped: number }>;
  close(): Promise<void>;
}

export class FencedError extends Error {
  override readonly name = 'FencedError';
}
