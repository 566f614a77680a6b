import { PubSubQueue, type QueueOptions } from './queue.ts';
import { applyUpdates, type Fate, type Item, nameOf, type State, type Update } from './updates.ts';

/** A queue of updates of keyed records. Its backlog is the state, as updates. */
export abstract class KeyedQueue extends PubSubQueue<Update[]> {
  readonly #key: string;
  readonly #state: State = new Map();

  /** @param key the name of the primary key */
  constructor(key: string, options: QueueOptions) {
    super(options);
    this.#key = key;
  }

  /** The records that there are before anything is sent. */
  protected abstract initialBacklog(): Promise<readonly Item[]>;

  get state(): ReadonlyMap<string, Item> {
    return this.#state;
  }

  /** Applies updates and sends them to all subscribers; all or none. @throws TypeError if a record has no primary key */
  update(updates: Update[]): Map<string, Fate> {
    for (const { data } of updates) nameOf(data, this.#key);
    const fates = applyUpdates(this.#state, updates, this.#key);
    this.post(updates);
    return fates;
  }

  protected async loadBacklog(): Promise<void> {
    const records = await this.initialBacklog();
    this.#state.clear();
    for (const record of records) this.#state.set(nameOf(record, this.#key), record);
  }

  protected backlog(): Update[] {
    return [...this.#state.values()].map((data) => ({ type: 'update', data }));
  }
}
