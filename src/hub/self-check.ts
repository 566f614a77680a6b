import type { Logger } from '../logger.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import type { ChannelSource, Mark } from './channel-source.ts';
import type { Frontier } from './frontier.ts';
import type { Link } from './link.ts';
import type { Subscriptions } from './subscriptions.ts';

/** How often heads are compared (ms). An answer may take 2 s, so a dead connection is noticed within 3 s. */
const PERIOD = 700;
/**
 * The time in which the heads of all channels are compared once (ms). When all of them were compared every `PERIOD`, an event of a fan-out
 * to 2,000 streams cost 9.0 µs instead of 8.5 µs, and 1 % of personal messages took 2.0 ms or more instead of 1.4 ms.
 */
const ROUND = 5000;
/** Heads compared in one round trip: half a millisecond of Redis's time. */
const CHUNK = 250;
/** The most heads of one self-check; the least is one `CHUNK`. With more than 70,000 channels a round takes longer than `ROUND`. */
const MOST = 10_000;
/**
 * How often heads are compared while nothing is published (ms): then only something other than Sisyphus can change them. Every 30 s, the
 * comparison was an eighth of what idle streams cost.
 */
const QUIET_PERIOD = 300_000;

export interface SelfCheckOptions {
  link: Link;
  frontier: Frontier;
  subscriptions: Subscriptions;
  source: ChannelSource;
  logger: Logger;
  /** Makes up for messages that were missed on these channels; `undefined`: on all channels. */
  heal(channels: string[] | undefined): Promise<void>;
  /** Called every period, whether or not the hub is open. */
  sweep(): void;
  /** See `PERIOD` (ms). */
  period?: number;
}

/**
 * Compares the last message of each channel in the store with the last one that was received, so that a loss with a cause that nobody
 * thought of does not stay silent. Each check compares a part of the channels, at jittered times. It also is the heartbeat of the
 * connection, and moves the hub's position forward while nothing is published.
 */
export class SelfCheck {
  readonly #options: SelfCheckOptions;
  readonly #failures: Failures;
  #timer: NodeJS.Timeout | undefined;
  /** The index of the channel with which the next check begins. */
  #next = 0;
  /** The store's last id when the current round began. */
  #roundFrom = BEGINNING;
  /** The store's last id while all heads were compared, if it did not change meanwhile, and when the comparison ended (ms). */
  #compared: Position | undefined;
  #comparedAt = 0;

  constructor(options: SelfCheckOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  start(): void {
    this.#timer = setTimeout(
      () => {
        this.#options.sweep();
        this.#now().finally(() => this.#timer && this.start());
      },
      (this.#options.period ?? PERIOD) * (0.8 + Math.random() * 0.4),
    );
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Never rejects: a failure is noted and logged. If the connection turns out to be dead, the source cuts it, and healing follows. */
  async #now(): Promise<void> {
    try {
      await this.#check();
    } catch (error) {
      this.#options.link.unanswered();
      this.#failures.log('check_failed', error);
    }
  }

  async #check(): Promise<void> {
    const { link, frontier, subscriptions, source, heal } = this.#options;
    if (await this.#isQuiet()) return;
    const channels = [...subscriptions.keys()];
    const from = this.#next < channels.length ? this.#next : 0;
    const upTo = from + Math.min(Math.max(CHUNK, Math.ceil((channels.length * PERIOD) / ROUND)), MOST);
    for (let at = from; ; at += CHUNK) {
      const { connectionNumber } = link;
      const chunk = channels.slice(at, Math.min(at + CHUNK, upTo));
      const mark = await source.mark(chunk);
      if (connectionNumber !== link.connectionNumber || !link.isOpen) return;
      const differs = frontier.differsFrom(mark);
      if (differs || this.#lags(chunk, mark)) {
        await heal(differs ? undefined : chunk);
        return;
      }
      link.answered();
      frontier.reached(mark.position);
      if (at === 0) this.#roundFrom = mark.position;
      this.#next = at + chunk.length;
      if (this.#next >= channels.length) {
        this.#compared = this.#roundFrom === mark.position ? mark.position : undefined;
        this.#comparedAt = performance.now();
      }
      if (this.#next >= upTo || this.#next >= channels.length) return;
    }
  }

  /** Whether the store has given out no id since all heads were compared: then there is nothing to compare. */
  async #isQuiet(): Promise<boolean> {
    const { link, frontier, source } = this.#options;
    if (!link.isOpen || this.#compared === undefined || performance.now() - this.#comparedAt > QUIET_PERIOD)
      return false;
    const { connectionNumber } = link;
    const mark = await source.mark([]);
    if (connectionNumber !== link.connectionNumber || !link.isOpen) return false;
    if (frontier.differsFrom(mark) || mark.position !== this.#compared) return false;
    link.answered();
    frontier.reached(mark.position);
    return true;
  }

  /** Whether the store has a last message of one of these channels that was not received, or has lost one that was. */
  #lags(channels: string[], mark: Mark): boolean {
    return channels.some((channel, i) => {
      const subscription = this.#options.subscriptions.get(channel);
      const head = mark.heads[i] ?? BEGINNING;
      if (subscription?.head === undefined || subscription.refused) return false;
      if (isAfter(head, subscription.head)) return true;
      if (head === BEGINNING && subscription.isForgotten(mark)) return false;
      return isAfter(subscription.head, head) && !isAfter(subscription.head, mark.position);
    });
  }
}
