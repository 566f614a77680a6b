import type { BacklogReader, Retention } from '../backlog/backlog.ts';
import type { Counters } from '../counters.ts';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Delivery } from '../message/delivery.ts';
import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { FOLLOWING, within } from '../patience.ts';
import type { ChannelSource, Gap, SourceListener } from './channel-source.ts';
import { FanOut } from './fan-out.ts';
import { Frontier, type Hint } from './frontier.ts';
import { Healing } from './healing.ts';
import type { Heard } from './held-back.ts';
import { Link } from './link.ts';
import { Opening } from './opening.ts';
import { SelfCheck } from './self-check.ts';
import type { Reader, Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';

export interface HubOptions {
  source: ChannelSource;
  backlog: BacklogReader;
  counters: Counters;
  logger: Logger;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain: (channel: string) => boolean;
  retention: (channel: string) => Retention;
  /** Settles when readers have taken what they were given, or after a while: what is healed waits for it. */
  settled?: () => Promise<void>;
  now?: () => number;
}

/**
 * Fan-out inside this process: which channels are heard, and who reads each.
 *
 * Invariant: every message of a followed channel with an id up to `position` has been given to that channel's readers,
 * once and in the order of ids, or they were told by a reset. `position` never moves while the hub is not open: what is heard
 * then is held by `Healing`, which alone reads what was missed.
 */
export class Hub implements SourceListener {
  readonly #source: ChannelSource;
  readonly #options: HubOptions;
  readonly #subscriptions: Subscriptions;
  readonly #link: Link;
  readonly #frontier = new Frontier();
  readonly #fanOut: FanOut;
  readonly #healing: Healing;
  readonly #opening: Opening;
  readonly #selfCheck: SelfCheck;
  /** Channels that nobody reads any more, and that are still heard. */
  readonly #idle = new Set<string>();
  /** Called when the store has lost its memory, so that it can be configured again. */
  onFlushed: () => void = () => undefined;
  /** Called when the store's ids have gone back: none would come after the positions that readers have. */
  onReversed: () => void = () => undefined;
  /** Called when a lost connection has been made up for. */
  onHealed: () => void = () => undefined;

  constructor(options: HubOptions) {
    const { source, logger, settled = async () => undefined, now = Date.now } = options;
    this.#options = options;
    this.#source = source;
    this.#subscriptions = new Subscriptions(options.retention, now);
    this.#link = new Link(now);
    const parts = { link: this.#link, frontier: this.#frontier, subscriptions: this.#subscriptions };
    this.#fanOut = new FanOut(this.#frontier, this.#subscriptions);
    this.#healing = new Healing(
      {
        ...parts,
        fanOut: this.#fanOut,
        hear: (entry) => this.#hear(entry),
        onOpen: () => this.#opened(),
        onHealed: () => this.onHealed(),
      },
      { ...options, settled, onFlushed: () => this.onFlushed(), onReversed: () => this.onReversed() },
    );
    this.#opening = new Opening(this.#link, this.#frontier, source, logger);
    this.#selfCheck = new SelfCheck({
      ...parts,
      source,
      logger,
      heal: (channels) => this.heal(channels),
      sweep: () => this.sweep(),
    });
  }

  get position(): Position {
    return this.#frontier.position;
  }

  get born(): Position {
    return this.#frontier.born;
  }

  get gaps(): Gap[] {
    return this.#frontier.gaps;
  }

  get heard(): Position {
    return this.#frontier.heard;
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  /** Since when the store has not answered (ms); `undefined` while all is well. */
  get downSince(): number | undefined {
    return this.#link.downSince;
  }

  /** Open, and the store answers. */
  get isAnswered(): boolean {
    return this.isOpen && this.downSince === undefined;
  }

  get channels(): number {
    return this.#subscriptions.size;
  }

  subscriptions(): IterableIterator<Subscription> {
    return this.#subscriptions.values();
  }

  subscription(channel: string): Subscription | undefined {
    return this.#subscriptions.get(channel);
  }

  start(): void {
    this.#source.start(this);
    this.#selfCheck.start();
  }

  async close(): Promise<void> {
    this.#selfCheck.stop();
    this.#link.close();
  }

  /**
   * Gives the reader whatever is heard on these channels from now on. Settles when each is acknowledged and its last
   * message known: what is published from then on is heard.
   * @throws SisyphusError `redis_unavailable` after `FOLLOWING`
   */
  async follow(reader: Reader, channels: string[]): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const channel of channels) {
      const subscription = this.#subscriptionOf(channel);
      subscription.readers.add(reader);
      if (subscription.head === undefined) begun.push(subscription.begun());
    }
    if (begun.length === 0 && this.isOpen) return;
    const givenUp = new AbortController();
    const ready = Promise.all(begun).then(() => this.#link.untilOpen(givenUp.signal));
    if (await within(FOLLOWING, ready)) return;
    givenUp.abort();
    throw new SisyphusError('redis_unavailable', 'Redis cannot be reached');
  }

  leave(reader: Reader, channels: Iterable<string>): void {
    this.#subscriptions.leave(reader, channels);
  }

  /** Asks the store how far it is: everything up to there has been heard then. */
  async refresh(): Promise<void> {
    const { connectionNumber } = this.#link;
    const { position } = await this.#source.mark([]);
    if (connectionNumber !== this.#link.connectionNumber || !this.isOpen) return;
    this.#link.answered();
    this.#frontier.reached(position);
  }

  /** Settles when what was published plainly before the call is recorded, and heard. */
  async settle(): Promise<void> {
    await this.#source.settle();
  }

  /** What was heard on the channel after the position, if all of it is remembered. */
  recent(channel: string, after: Position): Delivery[] | undefined {
    return this.#subscriptions.get(channel)?.recent(after);
  }

  up(): void {
    this.#link.connected();
    this.#healing.clear();
    void this.#healing.reconnect([...this.#subscriptions.keys()]);
  }

  down(): void {
    if (!this.#link.isDown) this.#options.logger.debug({ event: 'hub_down' });
    this.#link.lost();
    this.#healing.clear();
  }

  plain(user: string, payload: Buffer): void {
    this.#fanOut.plain(user, payload);
  }

  changed(user: string, change: RightsChange): void {
    if (this.isOpen) this.#fanOut.changed(user, change);
    else this.#healing.hold({ user, change });
  }

  gap(gap: Gap): void {
    this.#hint(gap);
  }

  reborn(born: Position): void {
    this.#hint({ born });
  }

  message(message: Message, isDoubtful = this.#healing.isDoubtful(message)): void {
    if (!isDoubtful) this.#frontier.hear(message.id);
    if (!this.isOpen) {
      this.#healing.hold(message, isDoubtful);
      return;
    }
    const head = this.#subscriptions.get(message.channel)?.head;
    if (!isDoubtful && (head === undefined || message.previous === head)) {
      this.#fanOut.deliver(message);
      return;
    }
    if (head !== undefined && !isAfter(message.id, head)) {
      this.#options.counters.duplicateDropped();
      return;
    }
    this.#options.logger.warn({ event: 'gap_heard', channel: message.channel });
    this.#healing.hold(message);
    void this.heal([message.channel]);
  }

  /** Something was missed on these channels; `undefined`: on any. */
  heal(channels: string[] | undefined): Promise<void> {
    return this.#healing.heal(channels ?? [...this.#subscriptions.keys()]);
  }

  /** Lets go of channels that nobody has read for a while, and of messages that nobody comes back for. */
  sweep(): void {
    this.#subscriptions.forgetBefore(this.position);
    for (const channel of this.#subscriptions.sweep()) this.#idle.add(channel);
    this.#letGo();
  }

  /**
   * A gap or a new life of the store was said, as anybody could who may PUBLISH there. So the store is asked; what comes meanwhile
   * is held, and given when readers have been told.
   */
  #hint(hint: Hint): void {
    if (this.isOpen && this.#frontier.knows(hint)) return;
    this.#healing.hold(hint);
    if (this.isOpen) void this.heal([]);
  }

  #hear(entry: Heard): void {
    if (isMessage(entry)) this.message(entry);
    else if ('user' in entry) this.changed(entry.user, entry.change);
    else this.#hint(entry);
  }

  /** The subscription of this channel, which is opened if there is none. */
  #subscriptionOf(channel: string): Subscription {
    let subscription = this.#subscriptions.get(channel);
    if (!subscription) {
      subscription = this.#subscriptions.create(channel);
      this.#opening.add(subscription);
    }
    subscription.idleSince = undefined;
    return subscription;
  }

  #opened(): void {
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.head === undefined) this.#opening.add(subscription);
    }
    this.#link.settleWaiting();
  }

  /** While healing, what is let go is still being subscribed; a lost connection takes it along. */
  #letGo(): void {
    if (!this.isOpen && !this.#link.isDown) return;
    const idle = [...this.#idle].filter((channel) => !this.#subscriptions.has(channel));
    this.#idle.clear();
    if (idle.length > 0 && this.isOpen) this.#source.unsubscribe(idle);
  }
}
