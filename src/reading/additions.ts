import type { Gap } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Delivery } from '../message/delivery.ts';
import { isLater, type Place } from '../message/place.ts';
import { isAfter, laterOf, type Position } from '../message/position.ts';
import type { Gate, Reset } from './gate.ts';
import { type ReadMessages, readChannels, type Sources, type Wanted } from './read-channels.ts';

/** A channel that a reading follows from now on, and has to read: what follows `from`, if its reader does not have it. */
export interface Addition {
  /** The id of what added it. */
  id: Position;
  from: Position;
  /** It was added before, and stood here: what is behind this place has been read. */
  before?: Place | undefined;
  /** It was followed all along: what was published before it was dropped may be owed, too. */
  isHeard?: boolean;
  /** The gaps that were known before it was followed: of later ones the hub tells. */
  gaps?: Gap[];
  /** It has been read up to `from`, and its reader was told of those gaps. */
  isRead?: boolean;
}

/** The channels that were added to a reading, and are not read yet. */
export class Additions {
  #added = new Map<string, Addition>();

  get isEmpty(): boolean {
    return this.#added.size === 0;
  }

  /** If a channel is added twice the earlier place counts: what is not for the reader between the two is filtered. */
  add(channel: string, addition: Addition): void {
    const known = this.#added.get(channel);
    if (!known) {
      this.#added.set(channel, addition);
      return;
    }
    const from = isAfter(addition.from, known.from) ? known.from : addition.from;
    this.#added.set(channel, { ...known, id: addition.id, from, before: known.before && addition.before });
  }

  clear(): void {
    this.#added.clear();
  }

  take(): Map<string, Addition> {
    const taken = this.#added;
    this.#added = new Map();
    return taken;
  }

  /** What is owed up to this position has been read, and filtered as it is filtered now. */
  haveRead(upTo: Position): void {
    for (const [channel, addition] of this.#added) {
      // The channel is followed: only what is behind its earlier place was not for the reader before.
      if (addition.before) this.#added.delete(channel);
      else Object.assign(addition, { from: laterOf(addition.from, upTo), isRead: true });
    }
  }

  /** What a reader that has everything up to `position` is owed of a channel, if that is other than of a channel it has followed. */
  owedOf(channel: string, position: Position): Wanted | undefined {
    const addition = this.#added.get(channel);
    if (!addition || addition.before || addition.isHeard) return undefined;
    return { channel, after: isAfter(addition.id, position) ? addition.from : position, gaps: addition.gaps };
  }

  follow(hub: Hub, reader: Reader): Promise<void> {
    return follow(this.#added, hub, reader);
  }
}

/** Settles when the hub hears these channels for the reader. */
export async function follow(added: Map<string, Addition>, hub: Hub, reader: Reader): Promise<void> {
  for (const addition of added.values()) addition.gaps ??= hub.gaps;
  await hub.follow(reader, [...added.keys()]);
}

/** What was published on these channels up to the hub's position, for a reader that has everything up to `position`. */
export async function readAdded(
  added: Map<string, Addition>,
  position: Position,
  seam: Position,
  sources: Sources,
): Promise<ReadMessages> {
  const wanted = [...added].map(([channel, { id, from, gaps, isRead = false }]) => ({
    channel,
    after: isAfter(id, position) ? from : position,
    gaps,
    isRead,
  }));
  const found = await readChannels(wanted, seam, sources);
  const deliveries = found.deliveries.filter(({ message }) => {
    const { before } = added.get(message.channel)!;
    return !before || isLater(before, message.place);
  });
  return { ...found, deliveries };
}

/** Puts what was read in its place among what is held. `behind`: what the last of it waits for. */
export function insertAdded(
  gate: Gate,
  added: Map<string, Addition>,
  { deliveries, resets }: { deliveries: Delivery[]; resets: Reset[] },
  position: Position,
  behind: number,
): void {
  const told = [...resets];
  // They have lower ids than what the reader has: a message that was recorded late added the channel.
  const late = deliveries.filter(({ message }) => !isAfter(message.id, position));
  const overtaken = new Set(late.map(({ message }) => message.channel));
  for (const { channel } of resets) overtaken.delete(channel);
  for (const channel of overtaken) told.push({ channel, reason: 'overtaken' });
  gate.insert(
    deliveries.filter(({ message }) => isAfter(message.id, position)),
    behind,
  );
  for (const reset of told) gate.insertReset(reset, added.get(reset.channel)!.id);
}
