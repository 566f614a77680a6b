import type { Logger } from '../logger.ts';
import { BEGINNING } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import type { ChannelSource } from './channel-source.ts';
import type { Frontier } from './frontier.ts';
import type { Link } from './link.ts';
import type { Subscription } from './subscription.ts';

/** How many heads one mark may ask for. */
const CHUNK = 1000;
/** How long to wait before a failed SUBSCRIBE is tried again (ms). */
const AGAIN = 200;

/**
 * Subscribes channels that get their first reader, many in one SUBSCRIBE: those that are added within one turn of the event loop, or
 * while the SUBSCRIBE before is under way. Channels that are queued while the hub is not open are dropped; the hub adds them again when
 * it is open.
 */
export class SubscribeQueue {
  readonly #link: Link;
  readonly #frontier: Frontier;
  readonly #source: ChannelSource;
  readonly #failures: Failures;
  readonly #waiting = new Set<Subscription>();
  #isScheduled = false;

  constructor(link: Link, frontier: Frontier, source: ChannelSource, logger: Logger) {
    this.#link = link;
    this.#frontier = frontier;
    this.#source = source;
    this.#failures = new Failures(logger);
  }

  add(subscription: Subscription): void {
    this.#waiting.add(subscription);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      void this.#open().finally(() => {
        this.#isScheduled = false;
        if (this.#waiting.size > 0) this.#schedule();
      });
    });
  }

  async #open(): Promise<void> {
    const opening = [...this.#waiting].filter(({ head }) => head === undefined);
    this.#waiting.clear();
    if (!this.#link.isOpen || opening.length === 0) return;
    const { connectionNumber } = this.#link;
    try {
      await this.#begin(opening, connectionNumber);
    } catch (error) {
      if (connectionNumber !== this.#link.connectionNumber) return;
      this.#failures.log('subscribe_failed', error);
      setTimeout(() => {
        for (const subscription of opening) this.add(subscription);
      }, AGAIN).unref();
    }
  }

  async #begin(opening: Subscription[], connectionNumber: number): Promise<void> {
    const refused = new Set(await this.#source.subscribe(opening.map(({ channel }) => channel)));
    for (let at = 0; at < opening.length; at += CHUNK) {
      const chunk = opening.slice(at, at + CHUNK);
      const mark = await this.#source.mark(chunk.map(({ channel }) => channel));
      if (connectionNumber !== this.#link.connectionNumber) return;
      for (const [i, subscription] of chunk.entries()) {
        subscription.refused = refused.has(subscription.channel);
        subscription.begin(mark.heads[i] ?? BEGINNING);
      }
      // While the hub is healing, messages up to the mark are still queued, so the position stays.
      if (!this.#link.isOpen) continue;
      this.#link.answered();
      this.#frontier.reached(mark.position);
    }
  }
}
