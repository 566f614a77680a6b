import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { toRevisionItem } from './to-json.ts';

/** What is new in a channel. */
export interface ChannelNews {
  status: 'ok' | 'reset';
  /** Messages as JSON. After a reset only the last one; none if it is not known yet. */
  items: string[];
}

export interface NewsRules {
  /** Whether the channel keeps its last message only, which is a final value. */
  isFinal: (channel: string) => boolean;
  /** Whether it is known that messages of the channel were lost just before this one. */
  isBehindGap: (message: Message) => boolean;
}

const NOTHING: ReadonlyMap<string, ChannelNews> = new Map();

/** The news of all channels of a long poll. */
export class RtNews {
  /** The size of all items, those that were left out included. */
  bytes = 0;
  readonly #seen: ReadonlyMap<string, number>;
  readonly #rules: NewsRules;
  /** `undefined` while there are none: each of many polls that wait would have an empty map. */
  #channels: Map<string, ChannelNews> | undefined;
  /** The revision of the last message of each channel, if it is not in `seen`. */
  #last: Map<string, number> | undefined;

  constructor(seen: ReadonlyMap<string, number>, rules: NewsRules) {
    this.#seen = seen;
    this.#rules = rules;
  }

  get channels(): ReadonlyMap<string, ChannelNews> {
    return this.#channels ?? NOTHING;
  }

  /** @returns whether the message is new for the client */
  add(delivery: Delivery): boolean {
    const { message } = delivery;
    const { channel, revision, oversize } = message;
    const { isFinal, isBehindGap } = this.#rules;
    const before = this.#seen.get(channel) ?? 0;
    const last = this.#last?.get(channel) ?? before;
    // Another gateway has received the message sooner, and given it to the client.
    if (revision <= last) return false;
    if (oversize || (before > 0 && isBehindGap(message))) this.reset(channel);
    const news = this.#newsOf(channel);
    delivery.frames.item ??= toRevisionItem(message);
    if (news.status === 'reset' || isFinal(channel)) news.items = [];
    news.items.push(delivery.frames.item);
    this.bytes += delivery.frames.item.length;
    this.#note(channel, revision);
    return true;
  }

  /** Messages of the channel are gone: only those that come from now on count, and the client takes over the revision of the last one. */
  reset(channel: string): void {
    const news = this.#newsOf(channel);
    news.status = 'reset';
    news.items = [];
    this.#note(channel, 0);
  }

  #newsOf(channel: string): ChannelNews {
    this.#channels ??= new Map();
    const news: ChannelNews = this.#channels.get(channel) ?? { status: 'ok', items: [] };
    this.#channels.set(channel, news);
    return news;
  }

  #note(channel: string, revision: number): void {
    this.#last ??= new Map();
    this.#last.set(channel, revision);
  }
}
