import type { Backlog, Retention } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isMessage, type Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { announceGap, catchUp } from './catch-up.ts';
import type { ChannelSource, Gap, SourceListener } from './channel-source.ts';
import type { GivingOptions } from './give-missed.ts';
import { HeldBack } from './held-back.ts';
import { Opening } from './opening.ts';
import { type Checked, SelfCheck } from './self-check.ts';
import type { Reader, Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';

/** As many as the store keeps. */
const MOST_GAPS = 32;
/** Readers of a channel from which on a fan-out is written behind what goes to few. */
const CROWD = 100;
/** A client is told within 2 s that Redis cannot be reached. */
const PATIENCE = 1600;

export interface HubOptions {
  source: ChannelSource;
  backlog: Backlog;
  logger: Logger;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain: (channel: string) => boolean;
  retention: (channel: string) => Retention;
  /** Settles when readers have taken what they were given, or after a while: what is healed waits for it. */
  settled?: () => Promise<void>;
  now?: () => number;
}

/**
 * Fan-out inside this process: which channels are heard, who reads each, and how far everything has been heard.
 *
 * `down` (no connection) → `healing` (subscribed again; what was missed is read from the backlogs, and what is heard
 * meanwhile is held) → `open`. A gap found while open leads back to `healing`.
 *
 * Invariant: every message of a followed channel with an id up to `position` has been given to that channel's readers,
 * once and in the order of ids, or they were told by a reset. `position` never moves while the hub is not `open`.
 *
 * A long file: whatever is here moves the state or the position, or goes by them; what does not is beside it.
 */
export class Hub implements SourceListener, Checked {
  /** `resets`: told to readers, each reader counted. */
  readonly counters = { healed: 0, duplicates: 0, resets: {} as Partial<Record<ResetReason, number>> };
  readonly #subscriptions: Subscriptions;
  readonly #options: HubOptions & Pick<GivingOptions, 'settled'>;
  readonly #now: () => number;
  #state: 'down' | 'healing' | 'open' = 'down';
  readonly #held = new HeldBack();
  /** Counts connections: what an earlier one began, a later one must not finish. */
  #turn = 0;
  #waiting: (() => void)[] = [];
  readonly #opening: Opening;
  readonly #selfCheck: SelfCheck;
  position = BEGINNING;
  born = BEGINNING;
  gaps: Gap[] = [];
  /** Since when there has been no connection (ms); `undefined` while all is well. */
  downSince: number | undefined;
  /** When a lost connection was made up for (ms): plain PUBLISHes from before it were not heard, and are recorded soon. */
  healedAt = 0;
  /** Called when the store has lost its memory, so that it can be configured again. */
  onFlushed: () => void = () => undefined;
  /** Called when a lost connection has been made up for. */
  onHealed: () => void = () => undefined;

  constructor(options: HubOptions) {
    this.#options = { ...options, settled: options.settled ?? (async () => undefined) };
    this.#now = options.now ?? Date.now;
    this.#subscriptions = new Subscriptions(options.retention, this.#now);
    this.#opening = new Opening(this, options.source, options.logger);
    this.#selfCheck = new SelfCheck(this, options.source, options.logger);
    this.downSince = this.#now();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Open, and the store answers. */
  get isAnswered(): boolean {
    return this.isOpen && this.downSince === undefined;
  }

  get channels(): number {
    return this.#subscriptions.size;
  }

  get turn(): number {
    return this.#turn;
  }

  channelNames(): string[] {
    return [...this.#subscriptions.keys()];
  }

  subscription(channel: string): Subscription | undefined {
    return this.#subscriptions.get(channel);
  }

  subscriptions(): IterableIterator<Subscription> {
    return this.#subscriptions.values();
  }

  start(): void {
    this.#options.source.start(this);
    this.#selfCheck.start();
  }

  async close(): Promise<void> {
    this.#selfCheck.stop();
    this.#turn++;
    this.#state = 'down';
    this.#settle();
  }

  /**
   * Gives the reader whatever is heard on these channels from now on. Settles when each is acknowledged and its last
   * message known: what is published from then on is heard.
   * @throws SisyphusError `redis_unavailable` after 2 s
   */
  async follow(reader: Reader, channels: string[]): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const channel of channels) {
      const subscription = this.#opened(channel);
      subscription.readers.add(reader);
      if (subscription.head === undefined) begun.push(subscription.begun());
    }
    if (begun.length === 0 && this.isOpen) return;
    if (!(await within(PATIENCE, this.#ready(begun)))) {
      throw new SisyphusError('redis_unavailable', 'Redis cannot be reached');
    }
  }

  countReset(reason: ResetReason): void {
    this.counters.resets[reason] = (this.counters.resets[reason] ?? 0) + 1;
  }

  leave(reader: Reader, channels: Iterable<string>): void {
    this.#subscriptions.leave(reader, channels);
  }

  /** Asks the store how far it is: everything up to there has been heard then. */
  async refresh(): Promise<void> {
    const turn = this.#turn;
    const { position } = await this.#options.source.mark([]);
    if (turn === this.#turn && this.isOpen) this.reached(position);
  }

  /** What was heard on the channel after the position, if all of it is remembered. */
  recent(channel: string, after: Position): Message[] | undefined {
    return this.#subscriptions.get(channel)?.recent(after);
  }

  up(): void {
    this.#turn++;
    this.#state = 'healing';
    this.#held.clear();
    void this.#heal(this.channelNames(), true);
  }

  down(): void {
    if (this.#state !== 'down') this.#options.logger.warn({ event: 'hub_down' });
    this.#turn++;
    this.#state = 'down';
    this.#held.clear();
    this.downSince ??= this.#now();
  }

  plain(user: string, payload: Buffer): void {
    const own = this.#subscriptions.get(channelOfUser(user));
    if (own) for (const reader of own.readers) reader.plain(payload);
  }

  gap(gap: Gap): void {
    // Where something is read, its marks tell of what was written before them; what is said behind them waits for its turn.
    if (!this.isOpen) this.#held.add(gap);
    else if (!this.gaps.some(({ to }) => to === gap.to)) {
      this.gaps = [...this.gaps, gap].slice(-MOST_GAPS);
      announceGap(this, this.#options, gap);
    }
  }

  reborn(born: Position): void {
    if (!this.isOpen) this.#held.add({ born });
    else if (born !== this.born) void this.heal(undefined);
  }

  message(message: Message): void {
    if (this.#state === 'open') {
      const head = this.#subscriptions.get(message.channel)?.head;
      if (head === undefined || message.previous === head) {
        this.#deliver(message);
        return;
      }
      if (!isAfter(message.id, head)) {
        this.counters.duplicates++;
        return;
      }
      this.#options.logger.warn({ event: 'gap_heard', channel: message.channel });
      void this.heal([message.channel]);
    }
    this.#held.add(message);
  }

  /** The subscription of this channel, which is opened if there is none. */
  #opened(channel: string): Subscription {
    let subscription = this.#subscriptions.get(channel);
    if (!subscription) {
      subscription = this.#subscriptions.create(channel);
      this.#opening.add(subscription);
    }
    subscription.idleSince = undefined;
    return subscription;
  }

  #isHeard(channel: string): boolean {
    return this.#subscriptions.get(channel)?.head !== undefined;
  }

  /** Reads what was missed on these channels, gives it to the readers in order, then what was held meanwhile. */
  async #heal(channels: string[], subscribe: boolean): Promise<void> {
    const turn = this.#turn;
    const current = (): boolean => turn === this.#turn;
    try {
      if (subscribe) {
        const refused = new Set(await this.#options.source.subscribe(channels));
        if (!current()) return;
        for (const subscription of this.#subscriptions.values()) {
          subscription.refused = refused.has(subscription.channel);
        }
      }
      // What nobody has subscribed yet must not seem to be heard: it would never be.
      const heard = subscribe ? channels : channels.filter((channel) => this.#isHeard(channel));
      await catchUp(this, this.#options, heard, current);
    } catch (error) {
      if (!current()) return;
      // Nothing else asks the store until this is done, so nothing else would notice how long it has been away.
      this.unanswered();
      this.#options.logger.warn({ event: 'heal_failed', reason: (error as Error).message });
      setTimeout(() => current() && void this.#heal(channels, subscribe), 200).unref();
      return;
    }
    if (!current()) return;
    if (subscribe) this.healedAt = this.#now();
    this.#open();
    if (subscribe) this.onHealed();
  }

  #open(): void {
    this.#state = 'open';
    this.downSince = undefined;
    // Where one of them leads back to healing, those behind it are held again.
    for (const entry of this.#held.take()) {
      if (isMessage(entry)) this.message(entry);
      else if ('born' in entry) this.reborn(entry.born);
      else this.gap(entry);
    }
    if (!this.isOpen) return;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.head === undefined) this.#opening.add(subscription);
    }
    this.#settle();
    if (this.#held.takeOverflow()) void this.heal(undefined);
  }

  /** One message to everybody who reads its channel. */
  #deliver(message: Message): void {
    this.position = laterOf(this.position, message.id);
    const subscription = this.#subscriptions.get(message.channel);
    if (!subscription) return;
    subscription.hear(message);
    if (subscription.readers.size > CROWD) message.crowd = true;
    for (const reader of subscription.readers) reader.receive(message);
  }

  reached(position: Position): void {
    this.downSince = undefined;
    this.position = laterOf(this.position, position);
  }

  async heal(channels: string[] | undefined): Promise<void> {
    this.#state = 'healing';
    await this.#heal(channels ?? this.channelNames(), false);
  }

  /** What healing found: already in order, and without holes that were not announced. */
  deliverHealed(message: Message): void {
    const head = this.#subscriptions.get(message.channel)?.head;
    if (head !== undefined && !isAfter(message.id, head)) return;
    this.counters.healed++;
    this.#deliver(message);
  }

  heldMessages(upTo: Position): Message[] {
    return this.#held.messages(upTo);
  }

  takeHeld(upTo: Position): Message[] {
    return this.#held.takeMessages(upTo);
  }

  /** The store does not answer, on a connection that may be alive: as good as none, if that lasts. */
  unanswered(): void {
    this.downSince ??= this.#now();
  }

  /** Lets go of channels that nobody has read for a while, and of messages that nobody comes back for. */
  sweep(): void {
    this.#subscriptions.forgetBefore(this.position);
    // While healing, what is let go would be subscribed again, or seem to be.
    if (!this.isOpen) return;
    const idle = this.#subscriptions.sweep();
    if (idle.length > 0) this.#options.source.unsubscribe(idle);
  }

  async #ready(begun: Promise<void>[]): Promise<void> {
    await Promise.all(begun);
    while (!this.isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Whether it is done in so many milliseconds. */
async function within(milliseconds: number, done: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  return Promise.race([done.then(() => true), late]).finally(() => clearTimeout(timer));
}
