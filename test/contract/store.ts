import type { Published, Retention } from '../../src/backlog/backlog.ts';
import type { CollectionConfig } from '../../src/config/collections.ts';
import type { Gap, Mark, SourceListener } from '../../src/hub/channel-source.ts';
import type { Disconnect } from '../../src/message/disconnect.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import type { RightsChange } from '../../src/message/rights-change.ts';
import type { Store } from '../../src/store/store.ts';
import { readSlices } from '../support/read-slices.ts';
import { eventually } from '../support/wait.ts';
import { collectionsContract } from './collections.ts';
import { disconnectsContract } from './disconnects.ts';
import { pagesContract } from './pages.ts';
import { publishingContract } from './publishing.ts';
import { readingContract } from './reading.ts';
import { rightsContract } from './rights.ts';
import { sourceContract } from './source.ts';
import { tokensContract } from './tokens.ts';

export interface Settings {
  backlog: Retention & { rules: { pattern: string; length: number }[] };
  maxMessage: number;
  collections: CollectionConfig[];
}

/** A fresh store that has never seen a message. */
export type Open = (settings?: Partial<Settings>) => Promise<Store>;

const collection = { isPublic: false, isDefault: false, send: [], receive: [], ttl: undefined };
export const DEFAULTS: Settings = {
  backlog: { length: 100, ttl: 3_600_000, rules: [] },
  maxMessage: 262_144,
  collections: [
    { ...collection, name: 'drivers', key: 'driver_name' },
    { ...collection, name: 'users', key: 'login', ttl: 300 },
  ],
};

/** Later than any message that a test publishes. */
export const LATER = 9_000_000_000_000_000 as Position;

/** What every store does, whatever it keeps messages in: run once for each of them. */
export function storeContract(name: string, openStore: (settings: Settings) => Promise<Store>): void {
  describe(name, () => {
    const stores: Store[] = [];
    const open: Open = async (settings) => {
      const store = await openStore({ ...DEFAULTS, ...settings });
      stores.push(store);
      return store;
    };
    afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));

    publishingContract(open);
    readingContract(open);
    pagesContract(open);
    rightsContract(open);
    sourceContract(open);
    disconnectsContract(open);
    tokensContract(open);
    collectionsContract(open);
  });
}

/** What is kept of a channel after a position. */
export async function kept(store: Store, channel: string, after = BEGINNING, upTo = LATER): Promise<Message[]> {
  const [slice] = await readSlices(store.backlog, [{ channel, after, upTo }]);
  return slice!.messages;
}

export const texts = (messages: Message[]): string[] => messages.map(({ payload }) => payload.toString());

export function say(channel: string, text = 'hello', event?: string) {
  return { channel, data: Buffer.from(text), event };
}

export async function publishOne(store: Store, channel: string, text = 'hello'): Promise<Published> {
  const [published] = await store.backlog.publish([say(channel, text)]);
  return published!;
}

/** A hub's place at a store's source: what it has heard, in its order. */
export class Ear implements SourceListener {
  readonly heard: (
    | { message: Message }
    | { gap: Gap }
    | { born: Position }
    | { marked: Position }
    | { plain: string }
    | { changed: RightsChange }
    | { disconnected: Disconnect }
    | 'up'
    | 'down'
  )[] = [];
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  static async at(store: Store, ...channels: string[]): Promise<Ear> {
    const ear = new Ear(store);
    store.source.start(ear);
    await eventually(() => ear.heard.includes('up'));
    await store.source.subscribe(channels);
    return ear;
  }

  get messages(): Message[] {
    return this.heard.flatMap((event) => (typeof event === 'object' && 'message' in event ? [event.message] : []));
  }

  /** When it answers, what was published before has been heard. */
  async mark(...channels: string[]): Promise<Mark> {
    const mark = await this.#store.source.mark(channels);
    this.heard.push({ marked: mark.position });
    return mark;
  }

  up(): void {
    this.heard.push('up');
  }

  down(): void {
    this.heard.push('down');
  }

  message(message: Message): void {
    this.heard.push({ message });
  }

  gap(gap: Gap): void {
    this.heard.push({ gap });
  }

  reborn(born: Position): void {
    this.heard.push({ born });
  }

  plain(user: string): void {
    this.heard.push({ plain: user });
  }

  changed(_user: string, change: RightsChange): void {
    this.heard.push({ changed: change });
  }

  disconnected(disconnect: Disconnect): void {
    this.heard.push({ disconnected: disconnect });
  }
}
