import { type Delivery, isDelivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { comparePositions, isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

export type Reset = { channel: string; reason: ResetReason };

type Entry = Delivery | Reset;

interface Held {
  entry: Entry;
  /** How many plain PUBLISHes to the user had been received before the entry. */
  behind: number;
}

/** The most entries that are held while the list of channels, or a backlog, is read. */
const MAX_HELD = 10_000;

/** Holds the messages and resets that a reader has received and that are not given to its client yet, in the order of ids. */
export class Gate {
  #held: Held[] = [];
  #bytes = 0;
  readonly #maxBytes: number;
  /** Messages that did not fit were dropped: all up to this id; the last one waits for `behind` records. The backlogs have them. */
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

  /** The id up to which messages were dropped, once they wait for no record any more; the caller reads them from the backlogs instead. */
  takeDropped(isSettled: (behind: number) => boolean): Position | undefined {
    if (!this.#dropped || !isSettled(this.#dropped.behind)) return undefined;
    const { upTo } = this.#dropped;
    this.#dropped = undefined;
    return upTo;
  }

  /** Removes and answers all resets. */
  takeResets(): Reset[] {
    const resets = this.#held.flatMap(({ entry }) => (isDelivery(entry) ? [] : [entry]));
    if (resets.length > 0) this.#held = this.#held.filter(({ entry }) => isDelivery(entry));
    return resets;
  }

  messages(): Message[] {
    return this.#held.flatMap(({ entry }) => (isDelivery(entry) ? [entry.message] : []));
  }

  /** Removes and answers the entries at the front that wait for no record any more. */
  takeReady(isSettled: (behind: number) => boolean): Entry[] {
    if (this.#dropped) return [];
    const blocked = this.#held.findIndex(({ behind }) => !isSettled(behind));
    const taken = this.#held.splice(0, blocked < 0 ? this.#held.length : blocked);
    for (const { entry } of taken) if (isDelivery(entry)) this.#bytes -= entry.message.payload.length;
    return taken.map(({ entry }) => entry);
  }

  /** Whether the held messages of the channel, together with `found`, are all that it had after `after` and up to `upTo`. */
  hasAll(channel: string, found: Delivery[], after: Position, upTo: Position): boolean {
    const all = [...this.messages(), ...found.map(({ message }) => message)];
    const messages = all.filter((message) => message.channel === channel);
    messages.sort((a, b) => comparePositions(a.id, b.id));
    let known = after;
    for (const { id, previous } of messages) if (!isAfter(previous, known) && isAfter(id, known)) known = id;
    return !isAfter(upTo, known);
  }

  /** Puts messages in their place by id, unless they are held already. `behind`: how many records the last of them waits for. */
  insert(deliveries: Delivery[], behind: number): void {
    if (deliveries.length === 0) return;
    const held = this.messages();
    const ids = new Set(held.map(({ id }) => id));
    for (const delivery of deliveries) {
      const { id, payload } = delivery.message;
      if (ids.has(id)) continue;
      const at = this.#held.findIndex(({ entry }) => isDelivery(entry) && isAfter(entry.message.id, id));
      this.#bytes += payload.length;
      // The entry that comes behind it was received later and waits for no fewer records.
      this.#held.splice(at < 0 ? this.#held.length : at, 0, {
        entry: delivery,
        behind: at < 0 ? behind : this.#held[at]!.behind,
      });
    }
  }

  /** Puts a reset before every entry of its channel, and behind the message that granted the channel, if that message is held. */
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
