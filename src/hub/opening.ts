import type { Logger } from '../logger.ts';
import { BEGINNING, type Position } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import type { ChannelSource } from './channel-source.ts';
import type { Subscription } from './subscription.ts';

/** As many as one mark may ask for. */
const CHUNK = 1000;
/** Before what failed is tried again (ms). */
const AGAIN = 200;

/** Whose subscriptions are opened: the hub. */
export interface Opener {
  readonly isOpen: boolean;
  /** Counts connections: what an earlier one began, a later one must not finish. */
  readonly turn: number;
  /** Everything up to here has been heard. */
  reached(position: Position): void;
}

/**
 * Subscribes the channels that somebody begins to read, many in one go: those that are asked for in one turn of the event
 * loop, or while the ones before are on their way. What waits while the hub is not open, it adds again when it is.
 */
export class Opening {
  readonly #hub: Opener;
  readonly #source: ChannelSource;
  readonly #failures: Failures;
  readonly #waiting = new Set<Subscription>();
  #isScheduled = false;

  constructor(hub: Opener, source: ChannelSource, logger: Logger) {
    this.#hub = hub;
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
    if (!this.#hub.isOpen || opening.length === 0) return;
    const { turn } = this.#hub;
    try {
      await this.#begin(opening, turn);
    } catch (error) {
      if (turn !== this.#hub.turn) return;
      this.#failures.log('subscribe_failed', error);
      setTimeout(() => {
        for (const subscription of opening) this.add(subscription);
      }, AGAIN).unref();
    }
  }

  async #begin(opening: Subscription[], turn: number): Promise<void> {
    const refused = new Set(await this.#source.subscribe(opening.map(({ channel }) => channel)));
    for (let at = 0; at < opening.length; at += CHUNK) {
      const chunk = opening.slice(at, at + CHUNK);
      const mark = await this.#source.mark(chunk.map(({ channel }) => channel));
      if (turn !== this.#hub.turn) return;
      for (const [i, subscription] of chunk.entries()) {
        subscription.refused = refused.has(subscription.channel);
        subscription.begin(mark.heads[i] ?? BEGINNING);
      }
      // While healing, messages up to the mark are still held: the position stays.
      if (this.#hub.isOpen) this.#hub.reached(mark.position);
    }
  }
}
