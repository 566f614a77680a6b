import type { Position } from '../message/position.ts';

/** What a change has done. If nothing was different, `id` and `revision` are those of the last change. */
export interface Changed {
  id: Position;
  revision: number;
  created: number;
  updated: number;
  destroyed: number;
}

/** All records of a collection at one moment. */
export interface Snapshot {
  /** Revisions are compared within one epoch only. */
  epoch: string;
  /** The revision of the last change; 0 if there was none. */
  revision: number;
  /** Every later change has a later id, and every other one is in the records. */
  id: Position;
  /** The name of the primary key. */
  key: string;
  /** The JSON of each record, as it was sent, in the order in which they were created. */
  records: readonly string[];
}

/** Identifies a change that may be requested again, because its answer was lost; see `Idempotency`. */
export interface Once {
  key: string;
  fingerprint: string;
}

/**
 * The collections of a store: records by primary key, whose changes are the messages of the channel `collection:<name>`. A change is applied
 * and published in one step. Every method throws a SisyphusError: `not_found` if there is no such collection.
 */
export interface Collections {
  /** Makes the records of a JSON list the whole collection. @throws SisyphusError `bad_request`, `too_large`; then nothing has changed */
  put(name: string, list: string, once?: Once): Promise<Changed>;
  /** Applies a batch of updates and deletions. @throws SisyphusError `bad_request`, `too_large`; then nothing has changed */
  patch(name: string, batch: string, once?: Once): Promise<Changed>;
  /** @param known a snapshot that the caller has: if it is still right, its records are not read again */
  read(name: string, known?: Snapshot): Promise<Snapshot>;
  /** Destroys records whose time is over. @returns how many */
  expire(name: string): Promise<number>;
}

/** The channel of a collection's changes. */
export function channelOfCollection(name: string): string {
  return `collection:${name}`;
}
