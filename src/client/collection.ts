import type { Sisyphus } from './client.ts';
import type { MessageFrame } from './frames.ts';

/** What `GET /live/<collection>` answers. */
export interface Snapshot {
  readonly revision: number;
  readonly epoch: string;
  readonly id: string;
  /** The member of each record that is its primary key. */
  readonly key: string;
  /** The records, under the name of the collection. */
  readonly [collection: string]: unknown;
}

/** The records that have changed, by primary key. A removed record is given as it was before. */
export interface Change<Item> {
  readonly created: ReadonlyMap<string, Item>;
  readonly updated: ReadonlyMap<string, Item>;
  readonly removed: ReadonlyMap<string, Item>;
}

/** The records by primary key, in the order in which they were created. */
export interface Collection<Item> extends ReadonlyMap<string, Item> {
  /** Settles as soon as the records are here. It does not reject: a snapshot that fails is an `error` of the stream, and is asked for again. */
  readonly ready: Promise<Collection<Item>>;
  /** Calls the listener after each snapshot and each change. @returns a function that takes the listener away */
  on(name: 'change', listener: (change: Change<Item>) => void): () => void;
  /** Ends the changes: the map stays as it is. */
  close(): void;
}

export interface CollectionOptions {
  /** The address of the snapshot; `/live/<name>` by default. */
  address?: string;
  /** Used instead of the global `fetch` if the snapshot needs a credential. The global one sends cookies to the same origin only. */
  fetch?: (address: string, init: { signal: AbortSignal }) => Promise<Response>;
  /** The snapshot that the page was rendered with. If the stream is not past its position, the client asks for no other one. */
  initial?: Snapshot;
}

type Stream = Pick<Sisyphus, 'channel' | 'load' | 'position'>;
type Listener<Item> = (change: Change<Item>) => void;

/** The message by which the gateway publishes a change. */
interface Message {
  revision: number;
  epoch: string;
  /** `{create, update, destroy}`, under the name of the collection. */
  [collection: string]: unknown;
}

/** If a change is missing, the client asks for a snapshot after a random time up to this one (ms), because all pages notice it at once. */
const SPREAD = 4000;

/**
 * Invariant: while `#known` is set, the map has the records of its revision and epoch. A message that does not follow on these unsets it, and
 * all messages are ignored until the next snapshot, which contains what they say.
 */
class LiveCollection<Item> extends Map<string, Item> implements Collection<Item> {
  readonly ready: Promise<this>;
  readonly #name: string;
  readonly #load: (isLoaded?: boolean) => () => void;
  readonly #deafen: () => void;
  readonly #listeners = new Set<Listener<Item>>();
  #known: Snapshot | undefined;
  /** Ends the load that is under way, or the pause before it. */
  #end: () => void;
  #isReady!: (self: this) => void;

  constructor(stream: Stream, name: string, options: CollectionOptions) {
    super();
    const { address = `/live/${name}`, fetch: get = fetch, initial } = options;
    const channel = `collection:${name}`;
    const read = async ({ signal }: { signal: AbortSignal }): Promise<Snapshot> => {
      const response = await get(address, { signal });
      if (!response.ok) throw new Error(`${address} was answered ${response.status}`);
      return response.json();
    };
    this.#name = name;
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    if (initial) this.#replace(initial);
    this.#load = (isLoaded = false) => stream.load(channel, read, (snapshot) => this.#replace(snapshot), { isLoaded });
    this.#deafen = stream.channel<Message>(channel, (message) => this.#take(message));
    this.#end = this.#load(Number(stream.position) <= Number(initial?.id));
  }

  on(_name: 'change', listener: Listener<Item>): () => void {
    // A function of its own, because two parts of a page may add the same one, and each may only take away its own.
    const own: Listener<Item> = (change) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  close(): void {
    this.#deafen();
    this.#end();
    this.#listeners.clear();
  }

  #replace(snapshot: Snapshot): void {
    const { revision, epoch, id, key } = snapshot;
    const records = byKey<Item>(snapshot[this.#name], key);
    const removed = new Map(this);
    this.clear();
    this.#known = { revision, epoch, id, key };
    this.#isReady(this);
    this.#write(records, removed);
  }

  #take({ id, data }: MessageFrame<Message>): void {
    const known = this.#known;
    if (!known || Number(id) <= Number(known.id)) return;
    const isSame = data?.epoch === known.epoch;
    if (isSame && data.revision <= known.revision) return;
    if (!isSame || data.revision !== known.revision + 1) {
      this.#known = undefined;
      this.#end();
      const timer = setTimeout(() => {
        this.#end = this.#load();
      }, Math.random() * SPREAD);
      this.#end = () => clearTimeout(timer);
      return;
    }
    const { update, destroy } = data[this.#name] as { update: Item[]; destroy: string[] };
    const removed = new Map<string, Item>();
    for (const key of destroy) {
      if (this.has(key)) removed.set(key, this.get(key)!);
      this.delete(key);
    }
    this.#known = { ...known, revision: data.revision };
    this.#write(byKey(update, known.key), removed);
  }

  /**
   * Puts records into the map, and tells the listeners what has changed.
   *
   * @param removed records that the caller has taken out of the map. One that is also among the records is kept or updated, and not removed
   */
  #write(records: ReadonlyMap<string, Item>, removed: Map<string, Item>): void {
    const [created, updated] = [new Map<string, Item>(), new Map<string, Item>()];
    for (const [key, record] of records) {
      const before = this.get(key) ?? removed.get(key);
      removed.delete(key);
      // A record that is as it was stays the same object, so that whoever compares objects sees that.
      const isSame = before && JSON.stringify(before) === JSON.stringify(record);
      this.set(key, isSame ? before : record);
      if (!isSame) (before ? updated : created).set(key, record);
    }
    const errors: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        if (this.#listeners.has(listener)) listener({ created, updated, removed });
      } catch (error) {
        errors.push(error);
      }
    }
    // The stream tells its `error`, as it does of its own listeners.
    if (errors.length > 0) throw errors.length > 1 ? new AggregateError(errors) : errors[0];
  }
}

/** The records of a snapshot, which is the list of them, by their primary keys. A whole number counts as its digits. */
export function byKey<Item>(records: unknown, key: string): Map<string, Item> {
  return new Map((records as (Item & Record<string, unknown>)[]).map((record) => [String(record[key]), record]));
}

/** The collection of this name as a map that changes with it. The stream has to read the channel `collection:<name>`. */
export function collection<Item = Record<string, unknown>>(
  stream: Stream,
  name: string,
  options: CollectionOptions = {},
): Collection<Item> {
  return new LiveCollection<Item>(stream, name, options);
}
