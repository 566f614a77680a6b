import type { Counters } from '../counters.ts';
import { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Frontier } from './frontier.ts';
import type { Reader } from './subscription.ts';
import type { Subscriptions } from './subscriptions.ts';

/** A fan-out to more readers than this is a crowd: it is written behind messages that go to few readers. */
const CROWD = 100;

export interface FanOutOptions {
  counters: Counters;
  /** Called with each message that all readers of its channel were given. */
  onDelivered?: ((delivery: Delivery) => void) | undefined;
}

/** Delivers received messages to the readers of their channel. */
export class FanOut {
  readonly #frontier: Frontier;
  readonly #subscriptions: Subscriptions;
  readonly #options: FanOutOptions;

  constructor(frontier: Frontier, subscriptions: Subscriptions, options: FanOutOptions) {
    this.#frontier = frontier;
    this.#subscriptions = subscriptions;
    this.#options = options;
  }

  deliver(message: Message): void {
    this.#frontier.reached(message.id);
    const subscription = this.#subscriptions.get(message.channel);
    if (!subscription) return;
    subscription.hear(message);
    const delivery = new Delivery(message, subscription.readers.size > CROWD);
    for (const reader of subscription.readers) reader.receive(delivery);
    this.#options.counters.messageReceived(message.payload.length);
    this.#options.onDelivered?.(delivery);
  }

  plain(user: string, payload: Buffer): void {
    const channel = channelOfUser(user);
    for (const reader of this.#readersOf(channel)) reader.plain(channel, payload);
  }

  changed(user: string, change: RightsChange): void {
    const channel = channelOfUser(user);
    for (const reader of this.#readersOf(channel)) reader.changed(channel, change);
  }

  #readersOf(channel: string): Iterable<Reader> {
    return this.#subscriptions.get(channel)?.readers ?? [];
  }
}
