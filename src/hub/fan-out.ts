import { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Frontier } from './frontier.ts';
import type { Reader } from './subscription.ts';
import type { Subscriptions } from './subscriptions.ts';

/** A fan-out to more readers than this is a crowd: it is written behind messages that go to few readers. */
const CROWD = 100;

/** Delivers received messages to the readers of their channel. */
export class FanOut {
  readonly #frontier: Frontier;
  readonly #subscriptions: Subscriptions;

  constructor(frontier: Frontier, subscriptions: Subscriptions) {
    this.#frontier = frontier;
    this.#subscriptions = subscriptions;
  }

  deliver(message: Message): void {
    this.#frontier.reached(message.id);
    const subscription = this.#subscriptions.get(message.channel);
    if (!subscription) return;
    subscription.hear(message);
    const delivery = new Delivery(message, subscription.readers.size > CROWD);
    for (const reader of subscription.readers) reader.receive(delivery);
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
