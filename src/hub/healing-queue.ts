import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Gap } from './channel-source.ts';

/**
 * The most entries that are queued while missed messages are read. Messages that do not fit are read from the backlogs instead, and
 * if a change of rights does not fit, the lists are read again.
 */
const MAX_HELD = 50_000;
/** The most gaps and new lives that are queued between two marks. Those that do not fit are in the next mark. */
const MAX_HINTS = 1000;

/** An event of the subscriber connection: a message, a gap, a new life of the store, or a change of rights that no message carries. */
export type Heard = Message | Gap | { born: Position } | { user: string; change: RightsChange };

/** Queues the events that are received during a healing, in their order. */
export class HealingQueue {
  /** Entries that were received before the store was asked: its answer confirms those that are true. */
  #asked: Heard[] = [];
  /** Entries that were received since. */
  #entries: Heard[] = [];
  #hints = 0;
  #overflown = false;

  add(entry: Heard): void {
    if (isHint(entry)) {
      if (this.#hints++ < MAX_HINTS) this.#entries.push(entry);
    } else if (this.#entries.length < MAX_HELD) this.#entries.push(entry);
    else this.#overflown = true;
  }

  /** Marks the moment at which the store is asked: its answer decides on the entries that are queued by now. */
  ask(): void {
    this.#asked = this.#asked.length > 0 ? [...this.#asked, ...this.#entries] : this.#entries;
    this.#entries = [];
    this.#hints = 0;
  }

  /** Removes and answers the entries that the store was asked about and has not confirmed. */
  takeUnconfirmed(): Heard[] {
    const taken = this.#asked;
    this.#asked = [];
    return taken;
  }

  /** Removes and answers the entries that were received since the store was asked. */
  take(): Heard[] {
    const taken = this.#entries;
    this.#entries = [];
    this.#hints = 0;
    return taken;
  }

  /** The queued messages up to this position. */
  messages(upTo: Position): Message[] {
    const isEarly = (entry: Heard): entry is Message => isMessage(entry) && !isAfter(entry.id, upTo);
    return [...this.#asked.filter(isEarly), ...this.#entries.filter(isEarly)];
  }

  /** Removes and answers the queued messages up to this position. */
  takeMessages(upTo: Position): Message[] {
    const taken = this.messages(upTo);
    if (taken.length === 0) return taken;
    const isLeft = (entry: Heard): boolean => !isMessage(entry) || isAfter(entry.id, upTo);
    this.#asked = this.#asked.filter(isLeft);
    this.#entries = this.#entries.filter(isLeft);
    return taken;
  }

  /** Whether messages were dropped since the last call. They are in the backlogs; it is not known of which channels they are. */
  takeOverflow(): boolean {
    const overflown = this.#overflown;
    this.#overflown = false;
    return overflown;
  }

  clear(): void {
    this.#asked = [];
    this.#entries = [];
    this.#hints = 0;
    this.#overflown = false;
  }
}

function isHint(entry: Heard): boolean {
  return !isMessage(entry) && !('user' in entry);
}
