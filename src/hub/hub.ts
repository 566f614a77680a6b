import type { BacklogReader, Retention } from '../backlog/backlog.ts';
import type { Counters } from '../counters.ts';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isMessage, type Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { FOLLOWING, within } from '../patience.ts';
import { Failures } from '../repeats.ts';
import { catchUp } from './catch-up.ts';
import { type ChannelSource, type Gap, isSameGap, type SourceListener } from './channel-source.ts';
import type { GivingOptions } from './give-missed.ts';
import { type Heard, HeldBack } from './held-back.ts';
import { Opening } from './opening.ts';
import { type Checked, SelfCheck } from './self-check.ts';
import type { Reader, Subscription } from './subscription.ts';
import { Subscriptions } from './subscriptions.ts';

/** Readers of a channel from which on a fan-out is written behind what goes to few. */
const CROWD = 100;

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
  readonly #subscriptions: Subscriptions;
  readonly #options: HubOptions & Pick<GivingOptions, 'settled'>;
  readonly #failures: Failures;
  readonly #now: () => number;
  #state: 'down' | 'healing' | 'open' = 'down';
  readonly #held = new HeldBack();
  /** Of what is held, the messages with an id that the store can hardly have given out. */
  readonly #doubtful = new Set<Message>();
  /** Counts connections: what an earlier one began, a later one must not finish. */
  #turn = 0;
  /** Channels that nobody reads any more, and that are still heard. */
  readonly #idle = new Set<string>();
  /** Readers that wait until it is open. */
  readonly #waiting = new Set<() => void>();
  readonly #opening: Opening;
  readonly #selfCheck: SelfCheck;
  position = BEGINNING;
  born = BEGINNING;
  /** The last id that came with a message: a plain PUBLISH that is heard now was made after it. */
  heard = BEGINNING;
  gaps: Gap[] = [];
  /** Since when there has been no connection (ms); `undefined` while all is well. */
  downSince: number | undefined;
  /** Called when the store has lost its memory, so that it can be configured again. */
  onFlushed: () => void = () => undefined;
  /** Called when the store's ids have gone back: none would come after the positions that readers have. */
  onReversed: () => void = () => undefined;
  /** Called when a lost connection has been made up for. */
  onHealed: () => void = () => undefined;

  constructor(options: HubOptions) {
    this.#options = { ...options, settled: options.settled ?? (async () => undefined) };
    this.#failures = new Failures(options.logger);
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
   * @throws SisyphusError `redis_unavailable` after `FOLLOWING`
   */
  async follow(reader: Reader, channels: string[]): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const channel of channels) {
      const subscription = this.#opened(channel);
      subscription.readers.add(reader);
      if (subscription.head === undefined) begun.push(subscription.begun());
    }
    if (begun.length === 0 && this.isOpen) return;
    const givenUp = new AbortController();
    if (!(await within(FOLLOWING, this.#ready(begun, givenUp.signal)))) {
      givenUp.abort();
      throw new SisyphusError('redis_unavailable', 'Redis cannot be reached');
    }
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

  /** Settles when what was published plainly before the call is recorded, and heard. */
  async settle(): Promise<void> {
    await this.#options.source.settle();
  }

  /** What was heard on the channel after the position, if all of it is remembered. */
  recent(channel: string, after: Position): Message[] | undefined {
    return this.#subscriptions.get(channel)?.recent(after);
  }

  up(): void {
    this.#turn++;
    this.#state = 'healing';
    this.#held.clear();
    this.#doubtful.clear();
    void this.#heal(this.channelNames(), true);
  }

  down(): void {
    if (this.#state !== 'down') this.#options.logger.debug({ event: 'hub_down' });
    this.#turn++;
    this.#state = 'down';
    this.#held.clear();
    this.#doubtful.clear();
    this.downSince ??= this.#now();
  }

  plain(user: string, payload: Buffer): void {
    const channel = channelOfUser(user);
    for (const reader of this.#subscriptions.get(channel)?.readers ?? []) reader.plain(channel, payload);
  }

  changed(user: string, change: RightsChange): void {
    if (!this.isOpen) {
      this.#held.add({ user, change });
      return;
    }
    const channel = channelOfUser(user);
    for (const reader of this.#subscriptions.get(channel)?.readers ?? []) reader.changed(channel, change);
  }

  gap(gap: Gap): void {
    this.#hint(gap);
  }

  reborn(born: Position): void {
    this.#hint({ born });
  }

  message(message: Message, isDoubtful = this.#doubtful.has(message)): void {
    if (!isDoubtful) this.heard = laterOf(this.heard, message.id);
    if (!this.isOpen) {
      if (isDoubtful) this.#doubtful.add(message);
      this.#held.add(message);
      return;
    }
    const head = this.#subscriptions.get(message.channel)?.head;
    if (!isDoubtful && (head === undefined || message.previous === head)) {
      this.#deliver(message);
      return;
    }
    if (head !== undefined && !isAfter(message.id, head)) {
      this.#options.counters.duplicateDropped();
      return;
    }
    this.#options.logger.warn({ event: 'gap_heard', channel: message.channel });
    this.#held.add(message);
    void this.heal([message.channel]);
  }

  /**
   * A gap or a new life of the store was said, as anybody could who may PUBLISH there. So the store is asked; what comes meanwhile
   * is held, and given when readers have been told.
   */
  #hint(hint: Gap | { born: Position }): void {
    if (this.isOpen && this.#knows(hint) && !this.#learnsFrom(hint)) return;
    this.#held.add(hint);
    if (this.isOpen) void this.heal([]);
  }

  #knows(hint: Gap | { born: Position }): boolean {
    return 'born' in hint ? hint.born === this.born : this.gaps.some((gap) => isSameGap(gap, hint));
  }

  /** Of a fork more may become known. */
  #learnsFrom(hint: Gap | { born: Position }): boolean {
    return 'born' in hint ? false : hint.reason === 'forked' && !this.gaps.some((gap) => isSameGap(gap, hint));
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
    this.#held.ask();
    try {
      if (subscribe) {
        const refused = new Set(await this.#options.source.subscribe(channels));
        if (!current()) return;
        for (const subscription of this.#subscriptions.values()) {
          subscription.refused = refused.has(subscription.channel);
        }
        // A plain PUBLISH that nobody heard here may change rights from where it was published: nothing behind it is given first.
        if (channels.length > 0) await this.#options.source.settle();
        if (!current()) return;
      }
      // What nobody has subscribed yet must not seem to be heard: it would never be.
      const heard = subscribe ? channels : channels.filter((channel) => this.#isHeard(channel));
      await catchUp(this, this.#options, heard, current);
    } catch (error) {
      if (!current()) return;
      // Nothing else asks the store until this is done, so nothing else would notice how long it has been away.
      this.unanswered();
      this.#failures.log('heal_failed', error);
      setTimeout(() => current() && void this.#heal(channels, subscribe), 200).unref();
      return;
    }
    if (!current()) return;
    this.#open();
    if (subscribe) this.onHealed();
  }

  #open(): void {
    this.#state = 'open';
    this.downSince = undefined;
    this.#drop(this.#held.takeUnconfirmed());
    // Where one of them leads back to healing, those behind it are held again.
    for (const entry of this.#held.take()) {
      if (isMessage(entry)) this.message(entry);
      else if ('user' in entry) this.changed(entry.user, entry.change);
      else this.#hint(entry);
    }
    if (!this.isOpen) return;
    this.#doubtful.clear();
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.head === undefined) this.#opening.add(subscription);
    }
    this.#settle();
    if (this.#held.takeOverflow()) void this.heal(undefined);
  }

  /** The store was asked, and knows nothing of it: it is somebody else's PUBLISH on a topic of ours. */
  #drop(unconfirmed: Heard[]): void {
    for (const entry of unconfirmed) {
      if (isMessage(entry)) this.unconfirmed(entry);
      else if ('user' in entry) this.changed(entry.user, entry.change);
      else if (!this.#knows(entry)) this.#options.logger.error({ event: 'hint_unconfirmed', ...entry });
    }
  }

  unconfirmed({ channel, id }: Message): void {
    this.#options.counters.messageUnconfirmed();
    this.#options.logger.error({ event: 'message_unconfirmed', channel, id });
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

  /** What healing found: already in order, and without holes that were not announced. `wasHeard`: it was held, and not missed. */
  deliverHealed(message: Message, wasHeard: boolean): void {
    const head = this.#subscriptions.get(message.channel)?.head;
    if (head !== undefined && !isAfter(message.id, head)) return;
    if (!wasHeard) this.#options.counters.messageHealed();
    this.#deliver(message);
  }

  /** What was heard while another channel was read: where something before it is missing, it is healed in its turn. */
  deliverHeard(message: Message): void {
    const head = this.#subscriptions.get(message.channel)?.head;
    if (head === undefined || message.previous === head || !isAfter(message.id, head))
      this.deliverHealed(message, true);
    else this.#held.add(message);
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
    for (const channel of this.#subscriptions.sweep()) this.#idle.add(channel);
    this.#letGo();
  }

  /** While healing, what is let go is still being subscribed; a lost connection takes it along. */
  #letGo(): void {
    if (this.#state === 'healing') return;
    const idle = [...this.#idle].filter((channel) => !this.#subscriptions.has(channel));
    this.#idle.clear();
    if (idle.length > 0 && this.isOpen) this.#options.source.unsubscribe(idle);
  }

  async #ready(begun: Promise<void>[], givenUp: AbortSignal): Promise<void> {
    await Promise.all(begun);
    while (!this.isOpen && !givenUp.aborted) {
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          this.#waiting.delete(settle);
          resolve();
        };
        this.#waiting.add(settle);
        givenUp.addEventListener('abort', settle, { once: true });
      });
    }
  }

  #settle(): void {
    for (const settle of this.#waiting) settle();
  }
}
