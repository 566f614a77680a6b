import { type Counter, knownFor, type Retention } from '../backlog/backlog.ts';
import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import {
  BEGINNING,
  earlier,
  isAfter,
  justBefore,
  laterOf,
  type Position,
  positionBefore,
} from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Mark } from './channel-source.ts';
import { type Entry, NONE, type RecentMessages } from './recent-messages.ts';

/** Receives the messages of the channels that it follows: a session. */
export interface Reader {
  receive(delivery: Delivery): void;
  /** A plain PUBLISH on this user's channel was received; its record follows. */
  plain(channel: string, payload: Buffer): void;
  /** The list of this channel's user has changed, and no message carries the change. */
  changed(channel: string, change: RightsChange): void;
  /** Holds the messages that follow until `release`: some of them may change the reader's rights from a place before others of them. */
  hold(): void;
  release(): void;
  /** Messages of this channel may be missing. */
  reset(channel: string, reason: ResetReason): void;
}

/** How much of a channel is answered from memory, for readers that come back at once: messages, and bytes. The backlog has the rest. */
const REMEMBERED_MESSAGES = 100;
const REMEMBERED_BYTES = 256 * 1024;
/** How far back a channel without a known message counts as empty (ms). The store knows of longer, and is asked for an older position. */
const PROVEN_FOR = 3_600_000;

/** One channel in this process: its readers, how far it has been received, and the messages received last. */
export class Subscription {
  readonly channel: string;
  readonly readers = new Set<Reader>();
  /** The id of the channel's last message, received or only known of; `undefined` until the store has answered it. */
  head: Position | undefined;
  /** The revision of that message; `undefined` if it is not known here. */
  revision: number | undefined;
  /** The store has refused the SUBSCRIBE (by an ACL): no message is received until the channel is subscribed again. */
  refused = false;
  /** Since when the channel has had no readers (ms). It is kept for a while, for readers that come back. */
  idleSince: number | undefined;
  /**
   * The entry of the last message, which leads to the entries before it; `NONE` if the last message is not in memory. Only the backlog has
   * the messages before the first entry.
   */
  #last: Entry = NONE;
  readonly #remembered: RecentMessages;
  readonly #retention: (channel: string) => Retention;
  /** How long messages were kept when the channel was subscribed (ms): a longer time proves nothing about what was forgotten before. */
  readonly #firstTtl: number;
  #begun: { promise: Promise<void>; resolve: () => void } | undefined;

  /** `retention`: answers how much is kept, which may change. */
  constructor(channel: string, retention: (channel: string) => Retention, remembered: RecentMessages) {
    this.channel = channel;
    this.#retention = retention;
    this.#firstTtl = retention(channel).ttl;
    this.#remembered = remembered;
  }

  /** The subscription is acknowledged, and `head` was the last message then: every message after it is received. */
  begin(head: Position): void {
    if (this.head !== undefined) return;
    this.head = head;
    this.#begun?.resolve();
    this.#begun = undefined;
  }

  /** Resolves when `begin` has been called. */
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

  /** Whether the store may by now have forgotten the last message, so that a missing head only means that the channel was silent. */
  isForgotten({ position, now }: Pick<Mark, 'position' | 'now'>): boolean {
    const known = knownFor(this.#ttl);
    return this.head !== undefined && isAfter(earlier(laterOf(position, now ?? position), known), this.head);
  }

  hear(message: Message): void {
    this.begin(message.previous);
    const worthIt = message.payload.length <= REMEMBERED_BYTES;
    this.#last = worthIt ? this.#remembered.add(message, this.head!, this.#last) : NONE;
    this.head = message.id;
    this.revision = message.revision;
  }

  /** Notes the revision of the last message, as the store has answered it. It may be that of another message by now. */
  learn({ revision, last }: Counter): void {
    if (last === this.head) this.revision = revision;
  }

  /** Called when the channel's history has changed: forgets the messages in memory, and continues from `head`. */
  restart(head: Position): void {
    this.head = head;
    this.revision = undefined;
    this.#last = NONE;
  }

  /** How many of the channel's messages are kept. */
  get kept(): number {
    return this.#retention(this.channel).length;
  }

  /** Every message after this revision, which is earlier than that of the last message; `undefined` as with `recent`. */
  recentAfter(revision: number): Delivery[] | undefined {
    return this.#unlessOld(
      this.#remembered.sinceRevision(revision, this.channel, this.#last, this.#mostRecent, REMEMBERED_BYTES),
    );
  }

  /**
   * Every message after this position that no later one replaces, if all of them are in memory; `undefined` if the backlog must be read.
   * Messages that are about to expire are left to the backlog, which goes by the clock that made the ids.
   */
  recent(after: Position): Delivery[] | undefined {
    if (this.head === undefined) return undefined;
    // The store forgets a channel some time after its last message. So there may have been messages before the first one, or before an
    // empty channel, that the store no longer knows of.
    const { isConflated } = this.#retention(this.channel);
    const known = Math.min(PROVEN_FOR, 0.9 * knownFor(this.#ttl));
    const isBefore = (position: Position) => after !== BEGINNING && isAfter(earlier(position, known), after);
    if (!isAfter(this.head, after)) return this.head === BEGINNING && isBefore(positionBefore(0)) ? undefined : [];
    const from = isConflated ? justBefore(this.head) : after;
    const recent = this.#remembered.since(from, this.channel, this.#last, this.#mostRecent, REMEMBERED_BYTES);
    const first = recent?.[0]?.message;
    if (first?.previous === BEGINNING && isBefore(first.id)) return undefined;
    return this.#unlessOld(recent);
  }

  /** How many messages are answered from memory at most. */
  get #mostRecent(): number {
    return Math.min(REMEMBERED_MESSAGES, this.#retention(this.channel).length);
  }

  get #ttl(): number {
    return Math.min(this.#firstTtl, this.#retention(this.channel).ttl);
  }

  /** `undefined` if the first of the messages is about to expire. */
  #unlessOld(recent: Delivery[] | undefined): Delivery[] | undefined {
    const first = recent?.[0]?.message;
    return first && isAfter(positionBefore(0.9 * this.#ttl), first.id) ? undefined : recent;
  }
}
