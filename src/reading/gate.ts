import { type Delivery, isDelivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { comparePositions, isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

export type Reset = { channel: string; reason: ResetReason };

type Entry = Delivery | Reset;

interface Held {
  entry: Entry;
  /** How many plain PUBLISHes to the user had been heard before it. */
  behind: number;
}

/** Entries held while the list of channels, or a backlog, is read. */
const MAX_HELD = 10_000;

/** What a reader has heard and is not given yet, in the order of ids. */
export class Gate {
  #held: Held[] = [];
  #bytes = 0;
  readonly #maxBytes: number;
  /** More came than fits, and was dropped: everything up to this id, which waits for so many records. The backlogs have it. */
  #dropped: { upTo: Position; behind: number } | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0 && !this.#dropped;
  }

  add(entry: Entry, behind: number): void {
    this.#held.push({ entry, behind });
    if (!isDelivery(entry)) return;
    const { id, payload } = entry.message;
    this.#bytes += payload.length;
    if (this.#held.length <= MAX_HELD && this.#bytes <= this.#maxBytes) return;
    this.#dropped = { upTo: id, behind };
    this.#bytes = 0;
    this.#held = this.#held.filter((held) => !isDelivery(held.entry));
  }

  /** Up to which id messages were dropped that wait for no record any more; they are read instead. */
  takeDropped(isSettled: (behind: number) => boolean): Position | undefined {
    if (!this.#dropped || !isSettled(this.#dropped.behind)) return undefined;
    const { upTo } = this.#dropped;
    this.#dropped = undefined;
    return upTo;
  }

  messages(): Message[] {
    return this.#held.flatMap(({ entry }) => (isDelivery(entry) ? [entry.message] : []));
  }

  /** What is at the front and waits for no record any more; it is held no longer. */
  takeReady(isSettled: (behind: number) => boolean): Entry[] {
    if (this.#dropped) return [];
    const blocked = this.#held.findIndex(({ behind }) => !isSettled(behind));
    const taken = this.#held.splice(0, blocked < 0 ? this.#held.length : blocked);
    for (const { entry } of taken) if (isDelivery(entry)) this.#bytes -= entry.message.payload.length;
    return taken.map(({ entry }) => entry);
  }

  /** Whether what is held of the channel, with what was found of it, is all that came in it after one position up to another. */
  hasAll(channel: string, found: Delivery[], after: Position, upTo: Position): boolean {
    const all = [...this.messages(), ...found.map(({ message }) => message)];
    const messages = all.filter((message) => message.channel === channel);
    messages.sort((a, b) => comparePositions(a.id, b.id));
    let known = after;
    for (const { id, previous } of messages) if (!isAfter(previous, known) && isAfter(id, known)) known = id;
    return !isAfter(upTo, known);
  }

  /** Puts messages in their place by id, unless they are there already; `behind`: what the last of them waits for. */
  insert(deliveries: Delivery[], behind: number): void {
    if (deliveries.length === 0) return;
    const held = this.messages();
    const ids = new Set(held.map(({ id }) => id));
    for (const delivery of deliveries) {
      const { id, payload } = delivery.message;
      if (ids.has(id)) continue;
      const at = this.#held.findIndex(({ entry }) => isDelivery(entry) && isAfter(entry.message.id, id));
      this.#bytes += payload.length;
      // Whoever is behind it was heard later, so it waits for no less.
      this.#held.splice(at < 0 ? this.#held.length : at, 0, {
        entry: delivery,
        behind: at < 0 ? behind : this.#held[at]!.behind,
      });
    }
  }

  /** Puts a reset before anything of its channel, and behind the message that granted it, if that is here. */
  insertReset(reset: Reset, grantedBy: Position): void {
    const granted = this.#held.findIndex(({ entry }) => isDelivery(entry) && entry.message.id === grantedBy);
    const first = this.#held.findIndex(({ entry }, i) => i > granted && channelOf(entry) === reset.channel);
    const at = first < 0 ? granted + 1 : first;
    this.#held.splice(at, 0, { entry: reset, behind: this.#held[at]?.behind ?? this.#held.at(-1)?.behind ?? 0 });
  }
}

function channelOf(entry: Entry): string {
  return isDelivery(entry) ? entry.message.channel : entry.channel;
}
