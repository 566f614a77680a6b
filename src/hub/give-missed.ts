import type { BacklogReader, Page, Retention } from '../backlog/backlog.ts';
import type { Logger } from '../logger.ts';
import { isPlain, type Message } from '../message/message.ts';
import { userOfChannel } from '../message/names.ts';
import { BEGINNING, comparePositions, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Frontier } from './frontier.ts';
import type { Reader, Subscription } from './subscription.ts';

/** A channel on which messages were missed. */
export interface Missed {
  subscription: Subscription;
  /** Every message up to this id was received. */
  after: Position;
  /** The id of the channel's last message in the store. */
  head: Position;
  /** Whether `after` is the id of a message of this channel: then the `previous` of the next message cannot be `BEGINNING`. */
  isLast: boolean;
}

/** Delivers messages to their readers, and queues the messages that are received during a healing. */
export interface Giver {
  /** The queued messages up to this position. */
  heldMessages(upTo: Position): Message[];
  /** Removes the queued messages up to this position, and answers them. */
  takeHeld(upTo: Position): Message[];
  /** Delivers a message of a healed channel: they come in order, and every hole was announced. `wasHeard`: it was queued, not missed. */
  deliverHealed(message: Message, wasHeard: boolean): void;
  /** Delivers a queued message of a channel that is not being healed. If a message before it is missing, that channel is healed later. */
  deliverHeard(message: Message): void;
  /** Counts and logs a message that was received, but that the store does not have. */
  unconfirmed(message: Message): void;
}

/** What `giveMissed` has to deliver. */
export interface Owed {
  missed: Missed[];
  /** Missed and queued messages are delivered up to this id. */
  upTo: Position;
  /** The channels whose heads were compared: the store has every message of these. */
  compared: Set<string>;
  /** The subscriptions by channel, when the healing began. */
  known: Map<string, Subscription>;
}

export interface GivingOptions {
  backlog: BacklogReader;
  logger: Logger;
  retention: (channel: string) => Retention;
  /** Settles when the readers have taken the messages that were delivered, or after a while; the next page follows then. */
  settled: () => Promise<void>;
}

/** Sends the readers of a channel a reset: messages of it may be missing. */
export function announce(subscription: Subscription, reason: ResetReason): void {
  for (const reader of subscription.readers) reader.reset(subscription.channel, reason);
}

/**
 * Delivers missed messages to the readers page by page, in the order of ids, each page together with the queued messages up to its end.
 * If messages of a channel are gone, its readers get a reset before any message of it. Stops if `current` answers that the connection is
 * another one.
 */
export async function giveMissed(
  giver: Giver,
  frontier: Frontier,
  options: GivingOptions,
  owed: Owed,
  current: () => boolean,
): Promise<void> {
  const { missed, upTo } = owed;
  const giving = new Giving(giver, frontier.position, options, owed);
  const requests = missed.map(({ subscription, after }) => ({ channel: subscription.channel, after, upTo }));
  if (missed.length > 0) options.logger.info({ event: 'healing', channels: missed.length });
  const own = requests.filter(({ channel }) => userOfChannel(channel) !== undefined);
  if (own.length > 0) await eachPage(options, own, ({ messages }) => giving.note(messages), current);
  if (!current()) return;
  giving.note(giver.heldMessages(upTo));
  giving.hold();
  try {
    const give = (page: Page): void => giving.give(page, page.messages.at(-1)?.id ?? BEGINNING);
    if (requests.length > 0) await eachPage(options, requests, give, current);
    if (!current()) return;
    giving.give({ gaps: new Map(), messages: [] }, upTo);
    for (const { subscription, head } of missed) {
      // The backlog has nothing left of this channel. Its head is not set past `upTo`, because later messages are queued: they would be
      // taken for duplicates.
      const last = isAfter(head, upTo) ? upTo : head;
      if (giving.isGone(subscription, last) && isAfter(last, subscription.head!)) subscription.restart(last);
    }
    frontier.restart(upTo);
  } finally {
    giving.release(undefined);
  }
}

/** Reads the backlogs and calls `take` for each page. The first page holds the gaps and no messages. */
async function eachPage(
  { backlog, settled }: GivingOptions,
  requests: { channel: string; after: Position; upTo: Position }[],
  take: (page: Page) => void,
  current: () => boolean,
): Promise<void> {
  const reading = await backlog.open(requests, undefined, true);
  if (!current()) return;
  take({ gaps: reading.gaps, messages: [] });
  for (let page = await reading.next(); page && current(); page = await reading.next()) {
    take(page);
    await settled();
  }
}

/** The state of one `giveMissed`, from page to page. */
class Giving {
  /** Channels of which messages are gone. */
  readonly gaps = new Set<Subscription>();
  readonly #giver: Giver;
  readonly #options: GivingOptions;
  /** By subscription of a missed channel, the id of its last message in the store. */
  readonly #heads: Map<Subscription, Position>;
  readonly #known: Map<string, Subscription>;
  readonly #compared: Set<string>;
  /** The hub's position before the healing: every message up to it seemed to have been received. */
  readonly #before: Position;
  readonly #overtaken = new Set<Subscription>();
  /** Channels whose next message must have a `previous` other than `BEGINNING`, see `Missed.isLast`. */
  readonly #continued: Set<Subscription>;
  /** Readers that hold the messages they receive, with the id of the last message that has to arrive before they are released. */
  readonly #holders = new Map<Reader, Position>();

  constructor(giver: Giver, before: Position, options: GivingOptions, { known, compared, missed }: Owed) {
    this.#continued = new Set(missed.filter(({ isLast }) => isLast).map(({ subscription }) => subscription));
    this.#giver = giver;
    this.#options = options;
    this.#heads = new Map(missed.map(({ subscription, head }) => [subscription, head]));
    this.#known = known;
    this.#compared = compared;
    this.#before = before;
  }

  /**
   * Notes the readers whose rights change with one of these messages, if it is the record of a plain PUBLISH: the change counts from the
   * message's place, and messages behind that place can have lower ids than the record. Such a reader holds the messages it receives
   * until the last of these records has been delivered.
   */
  note(messages: Message[]): void {
    for (const message of messages) {
      if (!message.rights || !isPlain(message)) continue;
      const { channel, id } = message;
      for (const reader of this.#known.get(channel)?.readers ?? []) {
        this.#holders.set(reader, laterOf(this.#holders.get(reader) ?? BEGINNING, id));
      }
    }
  }

  hold(): void {
    for (const reader of this.#holders.keys()) reader.hold();
  }

  /** Releases the readers that have every message up to `upTo` that changes their rights; `undefined`: all readers that hold. */
  release(upTo: Position | undefined): void {
    for (const [reader, last] of this.#holders) {
      if (upTo !== undefined && isAfter(last, upTo)) continue;
      this.#holders.delete(reader);
      reader.release();
    }
  }

  /** Whether the store has had the message and has it no more: its readers were notified, or a later message replaces it. */
  isGone(subscription: Subscription, id: Position): boolean {
    if (this.gaps.has(subscription)) return true;
    const head = this.#heads.get(subscription) ?? BEGINNING;
    return !isAfter(id, head) && this.#options.retention(subscription.channel).isConflated === true;
  }

  give({ gaps, messages: read }: Page, upTo: Position): void {
    for (const [channel, reason] of gaps) {
      const subscription = this.#known.get(channel)!;
      this.gaps.add(subscription);
      announce(subscription, reason);
    }
    this.#announceOvertaken(read);
    // Queued messages of channels that are not read have their place by id among the missed messages.
    const missed = new Set(read.map(({ id }) => id));
    const heard = this.#takeHeard(upTo, missed);
    const messages = [...read, ...heard].sort((a, b) => comparePositions(a.id, b.id));
    for (const message of messages) {
      if (heard.has(message)) this.#giver.deliverHeard(message);
      else this.#deliver(message, !missed.has(message.id));
    }
    this.release(upTo);
  }

  #deliver(message: Message, wasHeard: boolean): void {
    const subscription = this.#known.get(message.channel);
    if (subscription && this.#continued.delete(subscription) && message.previous === BEGINNING) {
      // The channel's counters in the store were lost, or expired long after its last message.
      if (!this.gaps.has(subscription)) announce(subscription, 'flushed');
      this.gaps.add(subscription);
      subscription.restart(BEGINNING);
    }
    // The messages between the head and this one have been announced as gone: `recent` must not answer as if it had them.
    if (subscription?.head !== undefined && isAfter(message.previous, subscription.head)) {
      subscription.restart(message.previous);
    }
    this.#giver.deliverHealed(message, wasHeard);
  }

  /**
   * Takes the queued messages up to this position, and answers those of channels that were not compared. `missed`: the ids of the messages
   * that were read; ids of messages that were received as well are removed from it.
   */
  #takeHeard(upTo: Position, missed: Set<Position>): Set<Message> {
    const heard = new Set<Message>();
    for (const message of this.#giver.takeHeld(upTo)) {
      const subscription = this.#known.get(message.channel);
      if (!this.#compared.has(message.channel)) heard.add(message);
      else if (missed.delete(message.id) || (subscription && this.isGone(subscription, message.id))) continue;
      else if (subscription?.head === undefined || isAfter(message.id, subscription.head)) {
        this.#giver.unconfirmed(message);
      }
    }
    return heard;
  }

  /**
   * Announces messages that were missed for an unknown reason: they are not later than the hub's position, so they seemed to have been
   * received. Readers may have gone past them with messages of other channels; readers that have not still get them.
   */
  #announceOvertaken(messages: Message[]): void {
    for (const { id, channel } of messages) {
      const subscription = this.#known.get(channel);
      if (!subscription || isAfter(id, this.#before) || this.#overtaken.has(subscription)) continue;
      if (subscription.head !== undefined && !isAfter(id, subscription.head)) continue;
      this.#overtaken.add(subscription);
      this.#options.logger.error({ event: 'missed_silently', channel });
      announce(subscription, 'overtaken');
    }
  }
}
