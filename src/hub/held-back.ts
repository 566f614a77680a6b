import { isMessage, type Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { Gap } from './channel-source.ts';

/** Messages held while what was missed is read; beyond it they are dropped here and read from the backlogs instead. */
const MAX_HELD = 50_000;

/** What a connection to the store says: a message, a gap, or a new life of the store. */
export type Heard = Message | Gap | { born: Position };

/** What is heard while something is made up for, in its order. */
export class HeldBack {
  #entries: Heard[] = [];
  #overflown = false;

  add(entry: Heard): void {
    if (!isMessage(entry) || this.#entries.length < MAX_HELD) this.#entries.push(entry);
    else this.#overflown = true;
  }

  /** Everything, which is held no longer. */
  take(): Heard[] {
    const taken = this.#entries;
    this.#entries = [];
    return taken;
  }

  /** The messages up to this position. */
  messages(upTo: Position): Message[] {
    return this.#entries.filter((entry) => isMessage(entry) && !isAfter(entry.id, upTo)) as Message[];
  }

  /** The same, which are held no longer. */
  takeMessages(upTo: Position): Message[] {
    const taken = this.messages(upTo);
    if (taken.length > 0) this.#entries = this.#entries.filter((entry) => !isMessage(entry) || isAfter(entry.id, upTo));
    return taken;
  }

  /** Whether messages were dropped since this was asked last: they are in the backlogs, and nobody can tell of which channels. */
  takeOverflow(): boolean {
    const overflown = this.#overflown;
    this.#overflown = false;
    return overflown;
  }

  clear(): void {
    this.#entries = [];
    this.#overflown = false;
  }
}
