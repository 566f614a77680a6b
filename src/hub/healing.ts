import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import { Failures } from '../repeats.ts';
import { catchUp, type Resources } from './catch-up.ts';
import type { FanOut } from './fan-out.ts';
import type { Frontier } from './frontier.ts';
import type { Giver } from './give-missed.ts';
import { type Heard, HeldBack } from './held-back.ts';
import type { Link } from './link.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Before what failed is tried again (ms). */
const AGAIN = 200;

/** What the hub consists of, as far as healing concerns it. */
export interface HealingParts {
  link: Link;
  frontier: Frontier;
  subscriptions: Subscriptions;
  fanOut: FanOut;
  /** Takes what was held, as if it were heard now. */
  hear: (entry: Heard) => void;
  /** Called when it is open again. */
  onOpen: () => void;
  /** Called when a lost connection has been made up for. */
  onHealed: () => void;
}

/**
 * Makes up for what was not heard: reads it from the backlogs, gives it to the readers in order, and then what was heard meanwhile,
 * which is held until then.
 */
export class Healing implements Giver {
  readonly #parts: HealingParts;
  readonly #options: Resources;
  readonly #failures: Failures;
  readonly #held = new HeldBack();
  /** Of what is held, the messages with an id that the store can hardly have given out. */
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

  /** The connection is another one: what was heard on the one before is in the backlogs. */
  clear(): void {
    this.#held.clear();
    this.#doubtful.clear();
  }

  /** Subscribes every channel on a new connection, and makes up for what was missed since the last one. */
  async reconnect(channels: string[]): Promise<void> {
    if (await this.#attempt(() => this.#resubscribe(channels))) this.#parts.onHealed();
  }

  /** Something was missed on these channels. */
  async heal(channels: string[]): Promise<void> {
    const { link, subscriptions } = this.#parts;
    link.heal();
    await this.#attempt((current) => {
      // Channels whose SUBSCRIBE is not acknowledged yet are left out: their head would be set, and nobody would subscribe them.
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

  async #resubscribe(channels: string[]): Promise<void> {
    const { link, subscriptions } = this.#parts;
    const { source } = this.#options;
    const current = this.#currency();
    const refused = new Set(await source.subscribe(channels));
    if (!current()) return;
    for (const subscription of subscriptions.values()) subscription.refused = refused.has(subscription.channel);
    // A plain PUBLISH that nobody heard here may change rights from where it was published: nothing behind it is given first.
    if (channels.length > 0) await source.settle();
    if (!link.isDown && current()) await this.#catchUp(channels, current);
  }

  #catchUp(channels: string[], current: () => boolean): Promise<void> {
    const { frontier, subscriptions } = this.#parts;
    return catchUp({ frontier, subscriptions, giver: this }, this.#options, channels, current);
  }

  /** Whether the connection is still the same. */
  #currency(): () => boolean {
    const { link } = this.#parts;
    const { connectionNumber } = link;
    return () => connectionNumber === link.connectionNumber;
  }

  /** Tries until it is done, or the connection is another one. Answers whether it is done. */
  async #attempt(work: (current: () => boolean) => Promise<void>): Promise<boolean> {
    const { link } = this.#parts;
    const current = this.#currency();
    this.#held.ask();
    try {
      await work(current);
    } catch (error) {
      if (!current()) return false;
      // Nothing else asks the store until this is done, so nothing else would notice how long it has been away.
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
    const { link, subscriptions, hear, onOpen } = this.#parts;
    link.healed();
    this.#drop(this.#held.takeUnconfirmed());
    // Where one of them leads back to healing, those behind it are held again.
    for (const entry of this.#held.take()) hear(entry);
    if (!link.isOpen) return;
    this.#doubtful.clear();
    onOpen();
    if (this.#held.takeOverflow()) void this.heal([...subscriptions.keys()]);
  }

  /** The store was asked, and knows nothing of it: it is somebody else's PUBLISH on a topic of ours. */
  #drop(unconfirmed: Heard[]): void {
    const { frontier, fanOut } = this.#parts;
    for (const entry of unconfirmed) {
      if (isMessage(entry)) this.unconfirmed(entry);
      else if ('user' in entry) fanOut.changed(entry.user, entry.change);
      else if (!frontier.knows(entry)) this.#options.logger.error({ event: 'hint_unconfirmed', ...entry });
    }
  }
}
