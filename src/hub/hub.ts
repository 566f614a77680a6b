import type { BacklogReader, Retention } from '../backlog/backlog.ts';
import type { Counters } from '../counters.ts';
import type { Logger } from '../logger.ts';
import type { Delivery } from '../message/delivery.ts';
import type { Disconnect } from '../message/disconnect.ts';
import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { ChannelSource, Gap, SourceListener } from './channel-source.ts';
import { FanOut } from './fan-out.ts';
import { FollowedChannels } from './followed-channels.ts';
import { Frontier, type Hint } from './frontier.ts';
import { Healing } from './healing.ts';
import type { Heard } from './healing-queue.ts';
import { Link } from './link.ts';
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
  /** Settles when readers have taken the messages that were delivered, or after a while. Between two pages, healing waits for this. */
  settled?: () => Promise<void>;
  /** Called with each message that all readers of its channel were given. */
  onDelivered?: (delivery: Delivery) => void;
  /** Called when the store has lost its memory, so that it can be configured again. */
  onFlushed?: () => void;
  /** Called when the store's ids have gone back: new ids would not be above the positions that readers have. */
  onReversed?: () => void;
  /** Called when everything that was missed since the last connection has been made up for. */
  onHealed?: () => void;
  /** Called when streams are to end, whether or not the hub is open. */
  onDisconnected?: (disconnect: Disconnect) => void;
  /** See `SourceListener.suspected`. */
  onSuspected?: (user: string) => () => void;
  now?: () => number;
}

/**
 * Fan-out inside this process: subscribes channels, and delivers each message to the readers of its channel.
 *
 * Invariant: every message of a followed channel with an id up to `position` has been delivered to that channel's readers, once and in the
 * order of ids, or they were notified by a reset. `position` never moves while the hub is not open: messages received then are queued by
 * `Healing`, and only `Healing` reads missed messages.
 *
 * The file is long because everybody else knows the hub alone: most of it passes calls on to the parts.
 */
export class Hub implements SourceListener {
  readonly #source: ChannelSource;
  readonly #options: HubOptions;
  readonly #subscriptions: Subscriptions;
  readonly #link: Link;
  readonly #frontier = new Frontier();
  readonly #fanOut: FanOut;
  readonly #healing: Healing;
  readonly #followed: FollowedChannels;
  readonly #selfCheck: SelfCheck;

  constructor(options: HubOptions) {
    const { source, logger, settled = async () => undefined, now = () => performance.now() } = options;
    const { onFlushed = ignore, onReversed = ignore, onHealed = ignore } = options;
    this.#options = options;
    this.#source = source;
    this.#subscriptions = new Subscriptions(options.retention, now);
    this.#link = new Link(now);
    const parts = { link: this.#link, frontier: this.#frontier, subscriptions: this.#subscriptions };
    this.#fanOut = new FanOut(this.#frontier, this.#subscriptions, options);
    this.#followed = new FollowedChannels({ ...parts, source, logger });
    const hear = (entry: Heard): void => this.#hear(entry);
    const onOpen = (): void => this.#opened();
    this.#healing = new Healing(
      { ...parts, fanOut: this.#fanOut, hear, onOpen, onHealed },
      { ...options, settled, onFlushed, onReversed },
    );
    const heal = (channels: string[] | undefined): Promise<void> => this.heal(channels);
    this.#selfCheck = new SelfCheck({ ...parts, source, logger, heal, sweep: () => this.sweep() });
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

  /** Whether each message of the channel replaces the ones before it. */
  isConflated(channel: string): boolean {
    return this.#options.retention(channel).isConflated === true;
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
  follow(reader: Reader, channels: string[]): Promise<void> {
    return this.#followed.follow(reader, channels);
  }

  leave(reader: Reader, channels: Iterable<string>): void {
    this.#subscriptions.leave(reader, channels);
  }

  /** Asks the store for its last id and moves the position to it: when the answer arrives, every message up to it has been received. */
  async refresh(): Promise<void> {
    let { connectionNumber } = this.#link;
    let { position } = await this.#source.mark([]);
    // While the hub heals, its position stays.
    if (!this.isOpen && (await this.#link.opensAfter())) {
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
    // While the hub heals, the records are queued. A session that went on now would not know of the changes of rights that they carry.
    if (!this.isOpen) await this.#link.opensAfter();
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

  suspected(user: string): () => void {
    return this.#options.onSuspected?.(user) ?? ignore;
  }

  disconnected(disconnect: Disconnect): void {
    this.#options.onDisconnected?.(disconnect);
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
    this.#followed.sweep();
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

  #opened(): void {
    this.#followed.opened();
    this.#link.settleWaiting();
  }
}

const ignore = (): void => undefined;
