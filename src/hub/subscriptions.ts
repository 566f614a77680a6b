import type { Retention } from '../backlog/backlog.ts';
import { earlier, type Position } from '../message/position.ts';
import { RecentMessages } from './recent-messages.ts';
import { type Reader, Subscription } from './subscription.ts';

/** How long a channel without readers stays subscribed (ms): a crowd that was cut off and comes back finds its messages in memory. */
const LINGER = 20_000;
/** How long messages are kept in memory (ms): as long as a channel without readers. */
const REMEMBERED_FOR = 20_000;
/** How often channels without readers are looked for (ms). */
const SWEEP = 5000;

/** The channels of this process by name, and the memory for recent messages that they share. */
export class Subscriptions extends Map<string, Subscription> {
  readonly #remembered = new RecentMessages();
  readonly #retention: (channel: string) => Retention;
  readonly #now: () => number;
  #sweptAt = 0;

  constructor(retention: (channel: string) => Retention, now: () => number) {
    super();
    this.#retention = retention;
    this.#now = now;
  }

  create(channel: string): Subscription {
    const subscription = new Subscription(channel, this.#retention, this.#remembered);
    this.set(channel, subscription);
    return subscription;
  }

  leave(reader: Reader, channels: Iterable<string>): void {
    for (const channel of channels) {
      const subscription = this.get(channel);
      if (subscription?.readers.delete(reader) && subscription.readers.size === 0) {
        subscription.idleSince = this.#now();
      }
    }
  }

  /** Forgets messages that are older than `REMEMBERED_FOR`. `position`: every message up to it has been received. */
  forgetBefore(position: Position): void {
    this.#remembered.forget(earlier(position, REMEMBERED_FOR));
  }

  /** Removes the channels that have had no readers for `LINGER`, and answers them. Looks for them only once in `SWEEP`. */
  sweep(): string[] {
    const now = this.#now();
    if (now - this.#sweptAt < SWEEP) return [];
    this.#sweptAt = now;
    const idle: string[] = [];
    for (const { channel, readers, idleSince } of this.values()) {
      if (readers.size === 0 && idleSince !== undefined && idleSince < now - LINGER) idle.push(channel);
    }
    for (const channel of idle) this.delete(channel);
    return idle;
  }
}
