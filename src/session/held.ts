import type { Message } from '../message/message.ts';
import { comparePositions } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

export type Reset = { channel: string; reason: ResetReason };

type Entry = Message | Reset;

/** What a session has heard and does not give yet, in its order. */
export class Held {
  #entries: Entry[] = [];
  bytes = 0;

  get length(): number {
    return this.#entries.length;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (isMessage(entry)) this.bytes += entry.payload.length;
  }

  messages(): Message[] {
    return this.#entries.filter(isMessage);
  }

  /** Everything, which is held no longer. */
  take(): Entry[] {
    const taken = this.#entries;
    this.#entries = [];
    this.bytes = 0;
    return taken;
  }

  drop(channels: Set<string>): void {
    this.#entries = this.#entries.filter(({ channel }) => !channels.has(channel));
  }

  /** Puts messages in their place by id, unless they are there already; resets go before everything. */
  merge(resets: Reset[], found: Message[]): void {
    const known = this.messages();
    const ids = new Set(known.map(({ id }) => id));
    const messages = [...known, ...found.filter(({ id }) => !ids.has(id))];
    messages.sort((a, b) => comparePositions(a.id, b.id));
    this.#entries = [...resets, ...this.#entries.filter((entry) => !isMessage(entry)), ...messages];
  }
}

export function isMessage(entry: Entry): entry is Message {
  return 'id' in entry;
}
