import type { BacklogReader, Page } from '../backlog/backlog.ts';
import type { Logger } from '../logger.ts';
import { isPlain, type Message } from '../message/message.ts';
import { userOfChannel } from '../message/names.ts';
import { BEGINNING, comparePositions, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Frontier } from './frontier.ts';
import type { Reader, Subscription } from './subscription.ts';

/** A channel of which something was not heard. */
export interface Missed {
  subscription: Subscription;
  /** Everything up to this was heard. */
  after: Position;
  /** The id of its last message. */
  head: Position;
  /** Whether there was a message at `after`, so that the next one comes after one. */
  isLast: boolean;
}

/** What gives messages to their readers, and holds what was heard meanwhile. */
export interface Giver {
  /** What was heard up to this position and is held. */
  heldMessages(upTo: Position): Message[];
  /** The same, which is held no longer. */
  takeHeld(upTo: Position): Message[];
  /** What was found: already in order, and without holes that were not announced. `wasHeard`: it was held, and not missed. */
  deliverHealed(message: Message, wasHeard: boolean): void;
  /** What was heard while another channel was read: where something before it is missing, it is healed in its turn. */
  deliverHeard(message: Message): void;
  /** It was heard, and the store does not have it. */
  unconfirmed(message: Message): void;
}

/** What is to be given. */
export interface Owed {
  missed: Missed[];
  upTo: Position;
  /** The channels whose last messages were compared: of these the store has everything. */
  compared: Set<string>;
  /** The subscriptions by channel. */
  known: Map<string, Subscription>;
}

export interface GivingOptions {
  backlog: BacklogReader;
  logger: Logger;
  /** Settles when readers have taken what they were given, or after a while; they are given more then. */
  settled: () => Promise<void>;
}

/** Tells the readers of a channel that something may be missing in it. */
export function announce(subscription: Subscription, reason: ResetReason): void {
  for (const reader of subscription.readers) reader.reset(subscription.channel, reason);
}

/**
 * Gives what was missed to the readers, page by page: in the order of ids, each page together with what is held up to its end. What
 * is gone is told before anything of its channel. Stops when `current` answers that the connection is another one.
 */
export async function giveMissed(
  giver: Giver,
  frontier: Frontier,
  options: GivingOptions,
  owed: Owed,
  current: () => boolean,
): Promise<void> {
  const { missed, upTo } = owed;
  const giving = new Giving(giver, frontier.position, options.logger, owed);
  const requests = missed.map(({ subscription, after }) => ({ channel: subscription.channel, after, upTo }));
  if (missed.length > 0) options.logger.info({ event: 'healing', channels: missed.length });
  try {
    const own = requests.filter(({ channel }) => userOfChannel(channel) !== undefined);
    if (own.length > 0) await eachPage(options, own, ({ messages }) => giving.note(messages), current);
    if (!current()) return;
    giving.note(giver.heldMessages(upTo));
    giving.hold();
    const give = (page: Page): void => giving.give(page, page.messages.at(-1)?.id ?? BEGINNING);
    if (requests.length > 0) await eachPage(options, requests, give, current);
    if (!current()) return;
    giving.give({ gaps: new Map(), messages: [] }, upTo);
    for (const { subscription, head } of missed) {
      // Nothing of it is kept any more. What is later than `upTo` is held, and must not seem to be known.
      const last = isAfter(head, upTo) ? upTo : head;
      if (giving.gaps.has(subscription) && isAfter(last, subscription.head!)) subscription.restart(last);
    }
    frontier.restart(upTo);
  } finally {
    giving.release(undefined);
  }
}

/** The gaps come first, as a page without messages. */
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

/** What is remembered from page to page. */
class Giving {
  /** Channels of which something is gone. */
  readonly gaps = new Set<Subscription>();
  readonly #giver: Giver;
  readonly #logger: Logger;
  readonly #known: Map<string, Subscription>;
  readonly #compared: Set<string>;
  /** Up to where everything seemed to be heard. */
  readonly #before: Position;
  readonly #overtaken = new Set<Subscription>();
  /** Channels whose next message comes after one. */
  readonly #continued: Set<Subscription>;
  /** Readers that hold what they are given, and up to which message. */
  readonly #holders = new Map<Reader, Position>();

  constructor(giver: Giver, before: Position, logger: Logger, { known, compared, missed }: Owed) {
    this.#continued = new Set(missed.filter(({ isLast }) => isLast).map(({ subscription }) => subscription));
    this.#giver = giver;
    this.#logger = logger;
    this.#known = known;
    this.#compared = compared;
    this.#before = before;
  }

  /**
   * Notes the readers whose rights change with one of these messages that was published before it was recorded: it counts from its
   * place, and messages behind that place have lower ids than its own. They hold what they are given until all of it is there.
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

  /** The readers that have heard all that changes their rights; `undefined`: all of them. */
  release(upTo: Position | undefined): void {
    for (const [reader, last] of this.#holders) {
      if (upTo !== undefined && isAfter(last, upTo)) continue;
      this.#holders.delete(reader);
      reader.release();
    }
  }

  give({ gaps, messages: read }: Page, upTo: Position): void {
    for (const [channel, reason] of gaps) {
      const subscription = this.#known.get(channel)!;
      this.gaps.add(subscription);
      announce(subscription, reason);
    }
    this.#announceOvertaken(read);
    // Of channels that are not read, what was heard meanwhile has its place among what was missed.
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
      // The counters of the channel were lost, or went long after its last message.
      if (!this.gaps.has(subscription)) announce(subscription, 'flushed');
      this.gaps.add(subscription);
      subscription.restart(BEGINNING);
    }
    // What is between has been announced to be gone: it must not seem to be remembered.
    if (subscription?.head !== undefined && isAfter(message.previous, subscription.head)) {
      subscription.restart(message.previous);
    }
    this.#giver.deliverHealed(message, wasHeard);
  }

  /**
   * What was heard up to this position on other channels than those that were compared. `missed`: the ids of what was read; those
   * that were heard, too, are taken away.
   */
  #takeHeard(upTo: Position, missed: Set<Position>): Set<Message> {
    const heard = new Set<Message>();
    for (const message of this.#giver.takeHeld(upTo)) {
      const subscription = this.#known.get(message.channel);
      if (!this.#compared.has(message.channel)) heard.add(message);
      else if (missed.delete(message.id) || (subscription && this.gaps.has(subscription))) continue;
      else if (subscription?.head === undefined || isAfter(message.id, subscription.head)) {
        this.#giver.unconfirmed(message);
      }
    }
    return heard;
  }

  /**
   * What was not heard although everything up to a position seemed to be: nobody knows why, and readers may have gone past it
   * by what they got in other channels. It is given to those who have not.
   */
  #announceOvertaken(messages: Message[]): void {
    for (const { id, channel } of messages) {
      const subscription = this.#known.get(channel);
      if (!subscription || isAfter(id, this.#before) || this.#overtaken.has(subscription)) continue;
      if (subscription.head !== undefined && !isAfter(id, subscription.head)) continue;
      this.#overtaken.add(subscription);
      this.#logger.error({ event: 'missed_silently', channel });
      announce(subscription, 'overtaken');
    }
  }
}
