import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { toRevisionItem } from './to-json.ts';

/** What is new in a channel. */
export interface ChannelNews {
  status: 'ok' | 'reset';
  /** Messages as JSON. After a reset only the last one; none if it is not known yet. */
  items: string[];
}

export interface RtNewsOptions {
  seen: ReadonlyMap<string, number>;
  isFinal: (channel: string) => boolean;
  isBehindGap: (message: Message) => boolean;
}

/** The news of all channels of a long poll. */
export class RtNews {
  readonly channels = new Map<string, ChannelNews>();
  /** The size of all items, those that were left out included. */
  bytes = 0;
  readonly #options: RtNewsOptions;
  /** The revision of the last message of each channel, if it is not in `seen`. */
  readonly #last = new Map<string, number>();

  constructor(options: RtNewsOptions) {
    this.#options = options;
  }

  /** @returns whether the message is new for the client */
  add(delivery: Delivery): boolean {
    const { message } = delivery;
    const { channel, revision, oversize } = message;
    const { seen, isFinal, isBehindGap } = this.#options;
    const before = seen.get(channel) ?? 0;
    const last = this.#last.get(channel) ?? before;
    // Another gateway has received the message sooner, and given it to the client.
    if (revision <= last) return false;
    if (oversize || (before > 0 && isBehindGap(message))) this.reset(channel);
    const news = this.#newsOf(channel);
    delivery.frames.item ??= toRevisionItem(message);
    if (news.status === 'reset' || isFinal(channel)) news.items = [];
    news.items.push(delivery.frames.item);
    this.bytes += delivery.frames.item.length;
    this.#last.set(channel, revision);
    return true;
  }

  /** Messages of the channel are gone: only those that come from now on count, and the client takes over the revision of the last one. */
  reset(channel: string): void {
    const news = this.#newsOf(channel);
    news.status = 'reset';
    news.items = [];
    this.#last.set(channel, 0);
  }

  #newsOf(channel: string): ChannelNews {
    const news: ChannelNews = this.channels.get(channel) ?? { status: 'ok', items: [] };
    this.channels.set(channel, news);
    return news;
  }
}
