import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import { catchUp, type Resources } from './catch-up.ts';
import type { FanOut } from './fan-out.ts';
import type { Frontier } from './frontier.ts';
import type { Giver } from './give-missed.ts';
import { HealingQueue, type Heard } from './healing-queue.ts';
import type { Link } from './link.ts';
import type { Subscriptions } from './subscriptions.ts';

/** How long to wait before a failed healing is tried again (ms). */
const AGAIN = 200;

/** The parts of the hub that healing needs. */
export interface HealingParts {
  link: Link;
  frontier: Frontier;
  subscriptions: Subscriptions;
  fanOut: FanOut;
  /** Handles a queued entry as if it were received now. */
  hear: (entry: Heard) => void;
  /** Called when the hub is open again. */
  onOpen: () => void;
  /** Called when everything that was missed since the last connection has been made up for. */
  onHealed: () => void;
}

/**
 * Makes up for missed messages: reads them from the backlogs and delivers them to the readers in order, then delivers the messages that
 * were received meanwhile, which are queued until then.
 */
export class Healing implements Giver {
  readonly #parts: HealingParts;
  readonly #options: Resources;
  readonly #failures: Failures;
  readonly #held = new HealingQueue();
  /** The queued messages with an id that the store can hardly have given out. */
  readonly #doubtful = new Set<Message>();

  constructor(parts: HealingParts, options: Resources) {
    this.#parts = parts;
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  hold(entry: Heard, isDoubtful = false): void {
    if (isDoubtful) this.#doubtful.add(entry as Message);
    this.#held.add(entry);
  }

  isDoubtful(message: Message): boolean {
    return this.#doubtful.has(message);
  }

  /** Drops the queue, because the connection is another one: what was received on the one before is in the backlogs. */
  clear(): void {
    this.#held.clear();
    this.#doubtful.clear();
  }

  /** Subscribes every channel on a new connection, and makes up for what was missed since the last connection. */
  async reconnect(channels: string[]): Promise<void> {
    if (await this.#attempt((current) => this.#resubscribe(channels, current))) this.#parts.onHealed();
  }

  /** Makes up for messages that were missed on these channels while the connection was there. */
  async heal(channels: string[]): Promise<void> {
    const { link, subscriptions } = this.#parts;
    link.heal();
    await this.#attempt((current) => {
      // Skip channels whose SUBSCRIBE is not acknowledged yet: catching up would set `head`, and `SubscribeQueue` would then never
      // subscribe them.
      const heard = channels.filter((channel) => subscriptions.get(channel)?.head !== undefined);
      return this.#catchUp(heard, current);
    });
  }

  heldMessages(upTo: Position): Message[] {
    return this.#held.messages(upTo);
  }

  takeHeld(upTo: Position): Message[] {
    return this.#held.takeMessages(upTo);
  }

  deliverHealed(message: Message, wasHeard: boolean): void {
    const head = this.#headOf(message);
    if (head !== undefined && !isAfter(message.id, head)) return;
    if (!wasHeard) this.#options.counters.messageHealed();
    this.#parts.fanOut.deliver(message);
  }

  deliverHeard(message: Message): void {
    const head = this.#headOf(message);
    if (head === undefined || message.previous === head || !isAfter(message.id, head))
      this.deliverHealed(message, true);
    else this.#held.add(message);
  }

  unconfirmed({ channel, id }: Message): void {
    this.#options.counters.messageUnconfirmed();
    this.#options.logger.error({ event: 'message_unconfirmed', channel, id });
  }

  #headOf({ channel }: Message): Position | undefined {
    return this.#parts.subscriptions.get(channel)?.head;
  }

  async #resubscribe(channels: string[], current: () => boolean): Promise<void> {
    const { subscriptions } = this.#parts;
    const { source } = this.#options;
    const refused = new Set(await source.subscribe(channels));
    if (!current()) return;
    for (const subscription of subscriptions.values()) subscription.refused = refused.has(subscription.channel);
    // A plain PUBLISH that this gateway did not receive may change rights, and the change counts from the place of the PUBLISH. So its
    // record must be there before any message behind that place is delivered.
    if (channels.length > 0) await source.settle();
    if (current()) await this.#catchUp(channels, current);
  }

  #catchUp(channels: string[], current: () => boolean): Promise<void> {
    const { frontier, subscriptions } = this.#parts;
    return catchUp({ frontier, subscriptions, giver: this }, this.#options, channels, current);
  }

  /** Repeats `work` until it succeeds or the connection is another one. Answers whether it has succeeded. */
  async #attempt(work: (current: () => boolean) => Promise<void>): Promise<boolean> {
    const { link } = this.#parts;
    const { connectionNumber } = link;
    const current = (): boolean => connectionNumber === link.connectionNumber;
    this.#held.ask();
    try {
      await work(current);
    } catch (error) {
      if (!current()) return false;
      // Nothing else sends the store a request until this is done, so nothing else would notice that it does not answer.
      link.unanswered();
      this.#failures.log('heal_failed', error);
      await new Promise((resolve) => setTimeout(resolve, AGAIN).unref());
      return current() && this.#attempt(work);
    }
    if (!current()) return false;
    this.#open();
    return true;
  }

  #open(): void {
    const { link, subscriptions, hear, onOpen, onHealed } = this.#parts;
    link.healed();
    this.#drop(this.#held.takeUnconfirmed());
    // If one of these entries leads back to healing, the entries behind it are queued again.
    for (const entry of this.#held.take()) hear(entry);
    if (!link.isOpen) return;
    this.#doubtful.clear();
    onOpen();
    if (!this.#held.takeOverflow()) return;
    void this.heal([...subscriptions.keys()]);
    // Changes of rights may have been dropped, too.
    onHealed();
  }

  /** Drops entries that the store does not confirm: somebody else has published them on a topic of the gateways. */
  #drop(unconfirmed: Heard[]): void {
    const { frontier, fanOut } = this.#parts;
    for (const entry of unconfirmed) {
      if (isMessage(entry)) this.unconfirmed(entry);
      else if ('user' in entry) fanOut.changed(entry.user, entry.change);
      else if (!frontier.knows(entry)) this.#options.logger.error({ event: 'hint_unconfirmed', ...entry });
    }
  }
}
