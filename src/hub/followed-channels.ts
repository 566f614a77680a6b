import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ChannelSource } from './channel-source.ts';
import type { Frontier } from './frontier.ts';
import type { Link } from './link.ts';
import { SubscribeQueue } from './subscribe-queue.ts';
import type { Reader, Subscription } from './subscription.ts';
import type { Subscriptions } from './subscriptions.ts';

/** The parts of the hub that decide whether a channel can be subscribed, and when. */
export interface FollowedChannelsParts {
  link: Link;
  frontier: Frontier;
  subscriptions: Subscriptions;
  source: ChannelSource;
  logger: Logger;
}

/**
 * Subscribes a channel at the store when it gets its first reader, and unsubscribes it some time after its last reader has left.
 *
 * Invariant: each channel that is subscribed at the store has a `Subscription` or is in `#idle`. Each `Subscription` without a `head` is
 * queued for SUBSCRIBE, or will be queued by `opened`.
 */
export class FollowedChannels {
  readonly #link: Link;
  readonly #subscriptions: Subscriptions;
  readonly #source: ChannelSource;
  readonly #queue: SubscribeQueue;
  /** Channels that have no `Subscription` any more and are still subscribed at the store. */
  readonly #idle = new Set<string>();

  constructor({ link, frontier, subscriptions, source, logger }: FollowedChannelsParts) {
    this.#link = link;
    this.#subscriptions = subscriptions;
    this.#source = source;
    this.#queue = new SubscribeQueue(link, frontier, source, logger);
  }

  /** See `Hub.follow`. */
  async follow(reader: Reader, channels: string[]): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const channel of channels) {
      const subscription = this.#subscriptionOf(channel);
      subscription.readers.add(reader);
      if (subscription.head === undefined) begun.push(subscription.begun());
    }
    if (begun.length === 0 && this.#link.isOpen) return;
    if (await this.#link.opensAfter(Promise.all(begun))) return;
    throw new SisyphusError('redis_unavailable', 'Redis cannot be reached');
  }

  /** Queues the channels that could not be subscribed before, because the hub is open now. */
  opened(): void {
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.head === undefined) this.#queue.add(subscription);
    }
  }

  /** Unsubscribes channels that have had no readers for a while. */
  sweep(): void {
    for (const channel of this.#subscriptions.sweep()) this.#idle.add(channel);
    // While the hub is healing, it may be subscribing these channels again. A lost connection has unsubscribed them anyway.
    if (!this.#link.isOpen && !this.#link.isDown) return;
    const idle = [...this.#idle].filter((channel) => !this.#subscriptions.has(channel));
    this.#idle.clear();
    if (idle.length > 0 && this.#link.isOpen) this.#source.unsubscribe(idle);
  }

  /** The subscription of this channel. If there is none, it is created and queued for SUBSCRIBE. */
  #subscriptionOf(channel: string): Subscription {
    let subscription = this.#subscriptions.get(channel);
    if (!subscription) {
      subscription = this.#subscriptions.create(channel);
      this.#queue.add(subscription);
    }
    subscription.idleSince = undefined;
    return subscription;
  }
}
