import { isMessage, type Message } from '../message/message.ts';
import { comparePositions, isAfter, type Position } from '../message/position.ts';
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

  /** Whether what is held of the channel, with what was found of it, is all that came in it after one position up to another. */
  hasAll(channel: string, found: Message[], after: Position, upTo: Position): boolean {
    const messages = [...this.messages(), ...found].filter((message) => message.channel === channel);
    messages.sort((a, b) => comparePositions(a.id, b.id));
    let known = after;
    for (const { id, previous } of messages) if (!isAfter(previous, known) && isAfter(id, known)) known = id;
    return !isAfter(upTo, known);
  }

  /**
   * Puts messages in their place by id, unless they are there already. A reset goes before anything of its channel, and
   * behind the message with which the channel was gained.
   */
  merge(resets: Reset[], found: Message[], behind?: Message): void {
    const known = this.messages();
    const ids = new Set(known.map(({ id }) => id));
    const messages = [...known, ...found.filter(({ id }) => !ids.has(id))];
    messages.sort((a, b) => comparePositions(a.id, b.id));
    const earlier = this.#entries.filter((entry) => !isMessage(entry));
    const channels = new Set(resets.map(({ channel }) => channel));
    const at = messages.findIndex((message) => message === behind || channels.has(message.channel));
    const before = at >= 0 && messages[at] === behind ? at + 1 : Math.max(at, 0);
    this.#entries = [...earlier, ...messages.slice(0, before), ...resets, ...messages.slice(before)];
  }
}
