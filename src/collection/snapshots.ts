import type { Collections, Snapshot } from './collections.ts';

/** A snapshot with the JSON of its records: bytes, which all answers share. */
export interface Written extends Snapshot {
  /** The records, separated by commas. */
  json: Buffer;
}

interface State {
  known: Written | undefined;
  reading: Promise<Written> | undefined;
  next: Promise<Written> | undefined;
}

/**
 * Reads snapshots for many clients. Requests that come while a snapshot is read share the next one: they may have heard of a change that the one
 * under way does not have.
 */
export class Snapshots {
  readonly #collections: Pick<Collections, 'read'>;
  readonly #states = new Map<string, State>();

  constructor(collections: Pick<Collections, 'read'>) {
    this.#collections = collections;
  }

  read(name: string): Promise<Written> {
    const state = this.#states.get(name) ?? { known: undefined, reading: undefined, next: undefined };
    this.#states.set(name, state);
    if (!state.reading) return this.#begin(name, state);
    const begin = (): Promise<Written> => this.#begin(name, state);
    state.next ??= state.reading.then(begin, begin);
    return state.next;
  }

  #begin(name: string, state: State): Promise<Written> {
    state.next = undefined;
    const reading = this.#read(name, state).finally(() => {
      if (state.reading === reading) state.reading = undefined;
    });
    state.reading = reading;
    return reading;
  }

  async #read(name: string, state: State): Promise<Written> {
    const { known } = state;
    const snapshot = await this.#collections.read(name, known);
    const json = known && snapshot.records === known.records ? known.json : Buffer.from(snapshot.records.join(','));
    state.known = { ...snapshot, json };
    return state.known;
  }
}
