import { knownFor, type Retention } from '../backlog/backlog.ts';
import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, earlier, isAfter, laterOf, type Position, positionBefore } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Mark } from './channel-source.ts';
import { type Entry, NONE, type Remembered } from './remembered.ts';

/** Who reads channels: a session. */
export interface Reader {
  receive(delivery: Delivery): void;
  /** A plain PUBLISH on this user's channel was heard; its record follows. */
  plain(channel: string, payload: Buffer): void;
  /** The list of this channel's user has changed, and no message tells it. */
  changed(channel: string, change: RightsChange): void;
  /** What follows may change the reader's rights, at a place before some of it: it is given after `release`. */
  hold(): void;
  release(): void;
  /** Something may be missing in this channel. */
  reset(channel: string, reason: ResetReason): void;
}

/** How much of a channel is answered from memory, for those who come back at once; the rest is in the backlog. */
const REMEMBERED_MESSAGES = 100;
const REMEMBERED_BYTES = 256 * 1024;
/** A channel without a message is known to have had none for this long (ms); the store knows of longer, and is asked. */
const PROVEN_FOR = 3_600_000;

/** One channel in this process: who reads it, how far it has been heard, and the messages heard last. */
export class Subscription {
  readonly channel: string;
  readonly readers = new Set<Reader>();
  /** The id of the last message, heard or known of; `undefined` until the store has been asked. */
  head: Position | undefined;
  /** The store denies it (an ACL): nothing is heard until it is asked again. */
  refused = false;
  /** Since when nobody reads it (ms); it is kept for a while, for those who come back. */
  idleSince: number | undefined;
  /**
   * The entry of the last message, from which those before it are found; `NONE` where what came last is not remembered.
   * What is before the first of them, only the backlog knows.
   */
  #last: Entry = NONE;
  readonly #remembered: Remembered;
  readonly #retention: Retention;
  #begun: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(channel: string, retention: Retention, remembered: Remembered) {
    this.channel = channel;
    this.#retention = retention;
    this.#remembered = remembered;
  }

  /** The subscription is acknowledged, and `head` was the last message then: whatever follows is heard. */
  begin(head: Position): void {
    if (this.head !== undefined) return;
    this.head = head;
    this.#begun?.resolve();
    this.#begun = undefined;
  }

  /** Resolves when it has begun. */
  begun(): Promise<void> {
    if (!this.#begun) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#begun = { promise, resolve };
    }
    return this.#begun.promise;
  }

  /** Whether the store may have forgotten by now that the last message was there: silence is all that this tells. */
  isForgotten({ position, now }: Pick<Mark, 'position' | 'now'>): boolean {
    const known = knownFor(this.#retention.ttl);
    return this.head !== undefined && isAfter(earlier(laterOf(position, now ?? position), known), this.head);
  }

  hear(message: Message): void {
    this.begin(message.previous);
    const worthIt = message.payload.length <= REMEMBERED_BYTES;
    this.#last = worthIt ? this.#remembered.add(message, this.head!, this.#last) : NONE;
    this.head = message.id;
  }

  /** History was rewritten: what was heard no longer counts. */
  restart(head: Position): void {
    this.head = head;
    this.#last = NONE;
  }

  /**
   * Every message after this position, if all of them are remembered; `undefined` where the backlog must be asked. What
   * is about to expire is left to the backlog, which goes by the clock that made the ids.
   */
  recent(after: Position): Delivery[] | undefined {
    if (this.head === undefined) return undefined;
    // Of what was before the first message, or where there is none, the store may have forgotten something.
    const known = Math.min(PROVEN_FOR, 0.9 * knownFor(this.#retention.ttl));
    const isBefore = (position: Position) => after !== BEGINNING && isAfter(earlier(position, known), after);
    if (!isAfter(this.head, after)) return this.head === BEGINNING && isBefore(positionBefore(0)) ? undefined : [];
    const most = Math.min(REMEMBERED_MESSAGES, this.#retention.length);
    const recent = this.#remembered.since(after, this.channel, this.#last, most, REMEMBERED_BYTES);
    const first = recent?.[0]?.message;
    if (first?.previous === BEGINNING && isBefore(first.id)) return undefined;
    return first && isAfter(positionBefore(0.9 * this.#retention.ttl), first.id) ? undefined : recent;
  }
}
