import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Gap } from './channel-source.ts';

/** Messages held while what was missed is read; beyond it they are dropped here and read from the backlogs instead. */
const MAX_HELD = 50_000;
/** Gaps and new lives behind which no more of them are held: the next mark has all of them. */
const MAX_HINTS = 1000;

/** What a connection to the store says: a message, a gap, a new life of the store, or a change of rights that no message tells. */
export type Heard = Message | Gap | { born: Position } | { user: string; change: RightsChange };

/** What is heard while something is made up for, in its order. */
export class HeldBack {
  /** Heard before the store was asked: what is true of it, the answer has. */
  #asked: Heard[] = [];
  #entries: Heard[] = [];
  #hints = 0;
  #overflown = false;

  add(entry: Heard): void {
    if (!isMessage(entry)) {
      if (this.#hints++ < MAX_HINTS) this.#entries.push(entry);
    } else if (this.#entries.length < MAX_HELD) this.#entries.push(entry);
    else this.#overflown = true;
  }

  /** The store is asked now. */
  ask(): void {
    this.#asked = this.#asked.length > 0 ? [...this.#asked, ...this.#entries] : this.#entries;
    this.#entries = [];
    this.#hints = 0;
  }

  /** What the store was asked about and has not confirmed; it is held no longer. */
  takeUnconfirmed(): Heard[] {
    const taken = this.#asked;
    this.#asked = [];
    return taken;
  }

  /** Everything that was heard since, which is held no longer. */
  take(): Heard[] {
    const taken = this.#entries;
    this.#entries = [];
    this.#hints = 0;
    return taken;
  }

  /** The messages up to this position. */
  messages(upTo: Position): Message[] {
    const isEarly = (entry: Heard): entry is Message => isMessage(entry) && !isAfter(entry.id, upTo);
    return [...this.#asked.filter(isEarly), ...this.#entries.filter(isEarly)];
  }

  /** The same, which are held no longer. */
  takeMessages(upTo: Position): Message[] {
    const taken = this.messages(upTo);
    if (taken.length === 0) return taken;
    const isLeft = (entry: Heard): boolean => !isMessage(entry) || isAfter(entry.id, upTo);
    this.#asked = this.#asked.filter(isLeft);
    this.#entries = this.#entries.filter(isLeft);
    return taken;
  }

  /** Whether messages were dropped since this was asked last: they are in the backlogs, and nobody can tell of which channels. */
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
