import type { Retention } from '../backlog/backlog.ts';
import { earlier, type Position } from '../message/position.ts';
import { Remembered } from './remembered.ts';
import { type Reader, Subscription } from './subscription.ts';

/** A channel that nobody reads any more is heard this much longer (ms): a crowd that was cut off finds it in memory. */
const LINGER = 20_000;
/** Messages are remembered as long (ms). */
const REMEMBERED_FOR = 20_000;
/** How often channels that nobody reads are looked for (ms). */
const SWEEP = 5000;

/** The channels of this process, by name, and what they remember together. */
export class Subscriptions extends Map<string, Subscription> {
  readonly #remembered = new Remembered();
  readonly #retention: (channel: string) => Retention;
  readonly #now: () => number;
  #sweptAt = 0;

  constructor(retention: (channel: string) => Retention, now: () => number) {
    super();
    this.#retention = retention;
    this.#now = now;
  }

  create(channel: string): Subscription {
    const subscription = new Subscription(channel, this.#retention(channel), this.#remembered);
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

  /** Lets go of messages that nobody comes back for, where everything has been heard up to this position. */
  forgetBefore(position: Position): void {
    this.#remembered.forget(earlier(position, REMEMBERED_FOR));
  }

  /** Lets go of channels that nobody has read for a while, looking for them now and then. Answers which. */
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
