import type { BacklogReader, Retention } from '../backlog/backlog.ts';
import type { Counters } from '../counters.ts';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Delivery } from '../message/delivery.ts';
import type { Disconnect } from '../message/disconnect.ts';
import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { FOLLOWING, within } from '../patience.ts';
import type { ChannelSource, Gap, SourceListener } from './channel-source.ts';
import { FanOut } from './fan-out.ts';
import { Frontier, type Hint } from './frontier.ts';
import { Healing } from './healing.ts';
import type { Heard } from './healing-queue.ts';
import { Link } from './link.ts';
import { SelfCheck } from './self-check.ts';
import { SubscribeQueue } from './subscribe-queue.ts';
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
  /** Settles when readers have taken the messages that were delivered, or after a while: healing waits for it between two pages. */
  settled?: () => Promise<void>;
  now?: () => number;
}

/**
 * Fan-out inside this process: subscribes channels, and delivers each message to the readers of its channel.
 *
 * Invariant: every message of a followed channel with an id up to `position` has been delivered to that channel's readers, once and in the
 * order of ids, or they were notified by a reset. `position` never moves while the hub is not open: messages received then are queued by
 * `Healing`, and only `Healing` reads missed messages.
 */
export class Hub implements SourceListener {
  readonly #source: ChannelSource;
  readonly #options: HubOptions;
  readonly #subscriptions: Subscriptions;
  readonly #link: Link;
  readonly #frontier = new Frontier();
  readonly #fanOut: FanOut;
  readonly #healing: Healing;
  readonly #opening: SubscribeQueue;
  readonly #selfCheck: SelfCheck;
  /** Channels that have no readers any more and are still subscribed. */
  readonly #idle = new Set<string>();
  /** Called when the store has lost its memory, so that it can be configured again. */
  onFlushed: () => void = () => undefined;
  /** Called when the store's ids have gone back: new ids would not be above the positions that readers have. */
  onReversed: () => void = () => undefined;
  /** Called when everything that was missed since the last connection has been made up for. */
  onHealed: () => void = () => undefined;
  /** Called when streams are to end, whether or not the hub is open. */
  onDisconnected: (disconnect: Disconnect) => void = () => undefined;

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
    this.#opening = new SubscribeQueue(this.#link, this.#frontier, source, logger);
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

  /** Since when the store has not answered (ms); `undefined` while it answers. */
  get downSince(): number | undefined {
    return this.#link.downSince;
  }

  /** Whether the hub is open and the store answers. */
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
   * Delivers the messages of these channels to the reader from now on. Settles when each subscription is acknowledged, the channel's last
   * message is known, and the hub is open: messages that are published from then on are received.
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
    if (await this.#isOpenAfter(Promise.all(begun))) return;
    throw new SisyphusError('redis_unavailable', 'Redis cannot be reached');
  }

  leave(reader: Reader, channels: Iterable<string>): void {
    this.#subscriptions.leave(reader, channels);
  }

  /** Asks the store for its last id and moves the position to it: when the answer arrives, every message up to it has been received. */
  async refresh(): Promise<void> {
    let { connectionNumber } = this.#link;
    let { position } = await this.#source.mark([]);
    // While the hub heals, its position stays.
    if (!this.isOpen && (await this.#isOpenAfter())) {
      connectionNumber = this.#link.connectionNumber;
      position = (await this.#source.mark([])).position;
    }
    if (connectionNumber !== this.#link.connectionNumber || !this.isOpen) return;
    this.#link.answered();
    this.#frontier.reached(position);
  }

  /** Settles when every plain PUBLISH made before the call is recorded and its record received, see `ChannelSource.settle`. */
  async settle(): Promise<void> {
    await this.#source.settle();
    // While the hub heals, the records are held. A session that went on now would not know which rights changed with them.
    if (!this.isOpen) await this.#isOpenAfter();
  }

  /** The messages of the channel after `after`, if all of them are in memory; else `undefined`. */
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

  disconnected(disconnect: Disconnect): void {
    this.onDisconnected(disconnect);
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

  /** Makes up for messages that were missed on these channels; `undefined`: on all channels. */
  heal(channels: string[] | undefined): Promise<void> {
    return this.#healing.heal(channels ?? [...this.#subscriptions.keys()]);
  }

  /** Unsubscribes channels that have had no readers for a while, and drops old messages from memory. */
  sweep(): void {
    this.#subscriptions.forgetBefore(this.position);
    for (const channel of this.#subscriptions.sweep()) this.#idle.add(channel);
    this.#letGo();
  }

  /**
   * Handles a message that announces a gap or a new life of the store. Anybody who may PUBLISH on that topic can send one, so the store is
   * asked. What is received meanwhile is queued, and delivered when the readers have been notified.
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

  /** The subscription of this channel. If there is none, it is created and queued for SUBSCRIBE. */
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

  /** Settles when `done` has settled and the hub is open. Answers whether that took less than `FOLLOWING`. */
  async #isOpenAfter(done: Promise<unknown> = Promise.resolve()): Promise<boolean> {
    const givenUp = new AbortController();
    const isOpen = await within(
      FOLLOWING,
      done.then(() => this.#link.untilOpen(givenUp.signal)),
    );
    if (!isOpen) givenUp.abort();
    return isOpen;
  }

  /** Unsubscribes idle channels, unless the hub is healing: it may be subscribing them. A lost connection has unsubscribed them anyway. */
  #letGo(): void {
    if (!this.isOpen && !this.#link.isDown) return;
    const idle = [...this.#idle].filter((channel) => !this.#subscriptions.has(channel));
    this.#idle.clear();
    if (idle.length > 0 && this.isOpen) this.#source.unsubscribe(idle);
  }
}
