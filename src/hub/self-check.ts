import type { Logger } from '../logger.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import { type ChannelSource, type Gap, isSameGap, type Mark } from './channel-source.ts';
import type { Subscription } from './subscription.ts';

/** How often heads are compared (ms); with the 2 s that an answer may take, a dead connection is noticed within 3 s. */
const PERIOD = 700;
/**
 * In how long the heads of all channels are compared once (ms). With all of them each
 * `PERIOD`, an event of a fan-out to 2,000 streams cost 9.0 µs instead of 8.5, and 1 % of personal messages took 2.0 ms
 * or more instead of 1.4.
 */
const ROUND = 5000;
/** Heads compared in one round trip, half a millisecond of Redis's time. */
const CHUNK = 250;
/** Heads of one self-check, and at least a `CHUNK`; of more than 70,000 channels a round takes longer. */
const MOST = 10_000;
/**
 * While nothing is published heads are compared this often (ms): they could change only by another hand than ours. Each 30 s
 * it was an eighth of what idle streams cost.
 */
const QUIET_PERIOD = 300_000;

/** What is checked: the hub. */
export interface Checked {
  readonly isOpen: boolean;
  /** Counts connections: an answer on an earlier one says nothing. */
  readonly turn: number;
  readonly born: Position;
  readonly gaps: Gap[];
  channelNames(): string[];
  subscription(channel: string): Subscription | undefined;
  /** Everything up to here has been heard. */
  reached(position: Position): void;
  /** Something was missed on these channels; `undefined`: on any. */
  heal(channels: string[] | undefined): Promise<void>;
  /** The store did not answer. */
  unanswered(): void;
  /** Called each time, open or not. */
  sweep(): void;
}

/**
 * Compares what the store says was published with what was heard, so that a loss that nobody thought of does not stay
 * silent: the last message of each channel, a part of the channels at a time, jittered. It also is the heartbeat of the
 * connection, and moves the hub's position forward while nothing is published.
 */
export class SelfCheck {
  readonly #hub: Checked;
  readonly #source: ChannelSource;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  /** The last id given out when the round began that is under way. */
  #roundFrom = BEGINNING;
  /** The last id given out while all heads were compared, and when that was (ms). */
  #compared: Position | undefined;
  #comparedAt = 0;

  constructor(hub: Checked, source: ChannelSource, logger: Logger) {
    this.#hub = hub;
    this.#source = source;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setTimeout(
      () => {
        this.#hub.sweep();
        this.#now().finally(() => this.#timer && this.start());
      },
      PERIOD * (0.8 + Math.random() * 0.4),
    );
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Never rejects: where the store does not answer, its connection is cut, and healing follows. */
  async #now(): Promise<void> {
    try {
      await this.#check();
    } catch (error) {
      this.#hub.unanswered();
      this.#logger.warn({ event: 'check_failed', reason: (error as Error).message });
    }
  }

  async #check(): Promise<void> {
    const hub = this.#hub;
    if (await this.#isQuiet()) return;
    const channels = hub.channelNames();
    const from = this.#next < channels.length ? this.#next : 0;
    const upTo = from + Math.min(Math.max(CHUNK, Math.ceil((channels.length * PERIOD) / ROUND)), MOST);
    for (let at = from; ; at += CHUNK) {
      const { turn } = hub;
      const chunk = channels.slice(at, Math.min(at + CHUNK, upTo));
      const mark = await this.#source.mark(chunk);
      if (turn !== hub.turn || !hub.isOpen) return;
      const differs = this.#differs(mark);
      if (differs || this.#lags(chunk, mark)) {
        await hub.heal(differs ? undefined : chunk);
        return;
      }
      hub.reached(mark.position);
      if (at === 0) this.#roundFrom = mark.position;
      this.#next = at + chunk.length;
      if (this.#next >= channels.length) {
        this.#compared = this.#roundFrom === mark.position ? mark.position : undefined;
        this.#comparedAt = performance.now();
      }
      if (this.#next >= upTo || this.#next >= channels.length) return;
    }
  }

  /** Whether no id was given out since all heads were compared: an idle gateway has nothing else to do. */
  async #isQuiet(): Promise<boolean> {
    const hub = this.#hub;
    if (!hub.isOpen || this.#compared === undefined || performance.now() - this.#comparedAt > QUIET_PERIOD)
      return false;
    const { turn } = hub;
    const mark = await this.#source.mark([]);
    if (turn !== hub.turn || !hub.isOpen || this.#differs(mark) || mark.position !== this.#compared) return false;
    hub.reached(mark.position);
    return true;
  }

  /** Whether the store has begun a new life, or has a new gap, or knows more of one. */
  #differs({ born, gaps }: Mark): boolean {
    const known = this.#hub.gaps;
    return born !== this.#hub.born || gaps.length !== known.length || gaps.some((gap, i) => !isSameGap(gap, known[i]!));
  }

  /** Whether the store has a last message here that was not heard, or has lost one that was. */
  #lags(channels: string[], mark: Mark): boolean {
    return channels.some((channel, i) => {
      const subscription = this.#hub.subscription(channel);
      const head = mark.heads[i] ?? BEGINNING;
      if (subscription?.head === undefined || subscription.refused) return false;
      if (isAfter(head, subscription.head)) return true;
      if (head === BEGINNING && subscription.isForgotten(mark)) return false;
      return isAfter(subscription.head, head) && !isAfter(subscription.head, mark.position);
    });
  }
}
