import { isDeepStrictEqual } from 'node:util';
import {
  type Changed,
  type Collections,
  channelOfCollection,
  type Once,
  type Snapshot,
} from '../../collection/collections.ts';
import { type Entry, MOST_RECORDS, readBatch, readList } from '../../collection/records.ts';
import { SisyphusError } from '../../errors.ts';
import type { Message } from '../../message/message.ts';
import { formatPosition } from '../../message/position.ts';
import type { MemoryLog } from './memory-log.ts';

export interface MemoryCollectionsOptions {
  log: MemoryLog;
  /** Called with the message of each change, in the order of ids. */
  tell: (message: Message) => void;
  /** By the name of the collection. */
  configured: ReadonlyMap<string, { key: string; ttl?: number | undefined }>;
  /** Bytes. */
  maxMessage: number;
  /** Milliseconds. */
  now: () => number;
}

interface Stored {
  text: string;
  /** When the record ends (ms). */
  ends: number;
}

interface Collection {
  key: string;
  ttl: number | undefined;
  epoch: string;
  revision: number;
  records: Map<string, Stored>;
}

/** Changes that are remembered by their idempotency keys. */
const MOST_REMEMBERED = 10_000;

/** The collections of the store in memory. No method waits for anything, so each call is one atomic step. */
export class MemoryCollections implements Collections {
  readonly #options: MemoryCollectionsOptions;
  readonly #collections = new Map<string, Collection>();
  readonly #remembered = new Map<string, { fingerprint: string; changed: Changed }>();

  constructor(options: MemoryCollectionsOptions) {
    this.#options = options;
  }

  async put(name: string, list: string, once?: Once): Promise<Changed> {
    return this.#once(once, () => {
      const collection = this.#find(name);
      const entries = readList(list, { key: collection.key, maxMessage: this.#options.maxMessage });
      const listed = new Set(entries.map(({ key }) => key));
      const gone = [...collection.records.keys()].filter((key) => !listed.has(key)).sort();
      const changed = entries.filter(({ key, text }) => !areSame(collection.records.get(key)?.text, text!));
      const isSame = changed.length === 0 && gone.length === 0;
      const answer = isSame ? this.#unchanged(name, collection) : this.#apply(name, collection, changed, gone);
      this.#renew(collection, entries);
      return answer;
    });
  }

  async patch(name: string, batch: string, once?: Once): Promise<Changed> {
    return this.#once(once, () => {
      const collection = this.#find(name);
      const entries = readBatch(batch, { key: collection.key, maxMessage: this.#options.maxMessage });
      if (entries.length === 0) return this.#unchanged(name, collection);
      const updates = entries.filter(({ text }) => text !== undefined);
      const deleted = entries.filter(({ key, text }) => text === undefined && collection.records.has(key));
      return this.#apply(
        name,
        collection,
        updates,
        deleted.map(({ key }) => key),
      );
    });
  }

  async read(name: string): Promise<Snapshot> {
    this.#options.log.requireOpen();
    const { key, epoch, records } = this.#find(name);
    const { log } = this.#options;
    const revision = log.counterOf(channelOfCollection(name)).revision;
    return { epoch, revision, id: log.last, key, records: [...records.values()].map(({ text }) => text) };
  }

  async expire(name: string): Promise<number> {
    this.#options.log.requireOpen();
    const collection = this.#find(name);
    const now = this.#options.now();
    const over = [...collection.records].filter(([, { ends }]) => ends <= now).map(([key]) => key);
    if (over.length > 0) this.#apply(name, collection, [], over);
    return over.length;
  }

  #find(name: string): Collection {
    const found = this.#collections.get(name);
    if (found) return found;
    const configured = this.#options.configured.get(name);
    if (!configured) {
      throw new SisyphusError('not_found', 'there is no such collection: expected one in SISYPHUS_COLLECTIONS');
    }
    const { key, ttl } = configured;
    const epoch = formatPosition(this.#options.log.born);
    const collection: Collection = { key, ttl, epoch, revision: 0, records: new Map() };
    this.#collections.set(name, collection);
    return collection;
  }

  #unchanged(name: string, collection: Collection): Changed {
    const id = this.#options.log.headOf(channelOfCollection(name));
    return { id, revision: collection.revision, created: 0, updated: 0, destroyed: 0 };
  }

  #apply(name: string, collection: Collection, updates: Entry[], gone: string[]): Changed {
    const { log, tell, maxMessage } = this.#options;
    const { records } = collection;
    const created = updates.filter(({ key }) => !records.has(key)).map(({ key }) => key);
    const count = records.size + created.length - gone.length;
    if (count > MOST_RECORDS) {
      throw new SisyphusError('too_large', `${count} records; a collection may have ${MOST_RECORDS}`);
    }
    const channel = channelOfCollection(name);
    const revision = log.counterOf(channel).revision + 1;
    if (revision <= collection.revision) collection.epoch = formatPosition(log.next());
    const change = { create: created, update: updates.map(({ text }) => text!), destroy: gone };
    let data = formatChange(name, revision, collection.epoch, change);
    if (data.length > maxMessage) {
      collection.epoch = formatPosition(log.next());
      data = formatChange(name, revision, collection.epoch, { create: [], update: [], destroy: [] });
    }
    for (const key of gone) records.delete(key);
    for (const { key, text } of updates) records.set(key, { text: text!, ends: this.#end(collection) });
    const message = log.append({ channel, data }, () => undefined);
    collection.revision = message.revision;
    tell(message);
    const counts = { created: created.length, updated: updates.length - created.length, destroyed: gone.length };
    return { id: message.id, revision: message.revision, ...counts };
  }

  #renew(collection: Collection, entries: Entry[]): void {
    for (const { key } of entries) {
      const stored = collection.records.get(key);
      if (stored) stored.ends = this.#end(collection);
    }
  }

  #end({ ttl }: Collection): number {
    return this.#options.now() + (ttl ?? Number.POSITIVE_INFINITY);
  }

  #once(once: Once | undefined, run: () => Changed): Changed {
    this.#options.log.requireOpen();
    const known = once && this.#remembered.get(once.key);
    if (known && known.fingerprint !== once.fingerprint) {
      throw new SisyphusError('idempotency_conflict', 'this key was used for another request');
    }
    if (known) return known.changed;
    const changed = run();
    if (once) {
      if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(once.key, { fingerprint: once.fingerprint, changed });
    }
    return changed;
  }
}

interface Change {
  create: string[];
  /** The JSON of each record. */
  update: string[];
  destroy: string[];
}

function formatChange(name: string, revision: number, epoch: string, { create, update, destroy }: Change): Buffer {
  const head = `{"version":${revision},"revision":${revision},"epoch":"${epoch}"`;
  const body = `{"create":${JSON.stringify(create)},"update":[${update.join(',')}],"destroy":${JSON.stringify(destroy)}}`;
  return Buffer.from(`${head},${JSON.stringify(name)}:${body}}`);
}

function areSame(stored: string | undefined, text: string): boolean {
  return stored !== undefined && (stored === text || isDeepStrictEqual(JSON.parse(stored), JSON.parse(text)));
}
