import type { Retention } from '../backlog/backlog.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter, type Position, positionBefore } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

/** Who reads channels: a session. */
export interface Reader {
  receive(message: Message): void;
  /** A plain PUBLISH on the reader's own channel was heard; its record follows. */
  plain(payload: Buffer): void;
  /** What follows may change the reader's rights, at a place before some of it: it is given after `release`. */
  hold(): void;
  release(): void;
  /** Something may be missing in this channel. */
  reset(channel: string, reason: ResetReason): void;
}

/**
 * How much of a channel is remembered here, and how long (ms), for those who come back at once; the rest is in the backlog.
 * A message takes 0.7 KB, which 10,000 channels of a hundred each would make 700 MB of.
 */
const REMEMBERED_MESSAGES = 100;
const REMEMBERED_BYTES = 256 * 1024;
export const REMEMBERED_FOR = 20_000;

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
   * Every message after this position is in `#recent`: it was the last one when the subscription was acknowledged, or
   * the last one forgotten since. What is before it, only the backlog knows.
   */
  #completeFrom = BEGINNING;
  #recent: Message[] = [];
  #bytes = 0;
  readonly #retention: Retention;
  #begun: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(channel: string, retention: Retention) {
    this.channel = channel;
    this.#retention = retention;
  }

  /** The subscription is acknowledged, and `head` was the last message then: whatever follows is heard. */
  begin(head: Position): void {
    if (this.head !== undefined) return;
    this.head = head;
    this.#completeFrom = head;
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

  hear(message: Message): void {
    this.begin(message.previous);
    this.head = message.id;
    this.#recent.push(message);
    this.#bytes += message.payload.length;
    const most = Math.min(REMEMBERED_MESSAGES, this.#retention.length);
    while (this.#recent.length > most || this.#bytes > REMEMBERED_BYTES) this.#forgetFirst();
  }

  /** Forgets what is from before this position. */
  forget(before: Position): void {
    while (this.#recent.length > 0 && isAfter(before, this.#recent[0]!.id)) this.#forgetFirst();
  }

  #forgetFirst(): void {
    const forgotten = this.#recent.shift()!;
    this.#bytes -= forgotten.payload.length;
    this.#completeFrom = forgotten.id;
  }

  /** History was rewritten: what was heard no longer counts. */
  restart(head: Position): void {
    this.head = head;
    this.#completeFrom = head;
    this.#recent = [];
    this.#bytes = 0;
  }

  /**
   * Every message after this position, if all of them are remembered; `undefined` where the backlog must be asked. What
   * is about to expire is left to the backlog, which goes by the clock that made the ids.
   */
  recent(after: Position): Message[] | undefined {
    if (this.head === undefined || isAfter(this.#completeFrom, after)) return undefined;
    if (!isAfter(this.head, after)) return [];
    const recent = this.#recent.filter(({ id }) => isAfter(id, after));
    const [first] = recent;
    return first && isAfter(positionBefore(0.9 * this.#retention.ttl), first.id) ? undefined : recent;
  }
}
