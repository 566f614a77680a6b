import type { Gap } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Delivery } from '../message/delivery.ts';
import { isLater, type Place } from '../message/place.ts';
import { isAfter, laterOf, type Position } from '../message/position.ts';
import type { Gate, Reset } from './gate.ts';
import { type ReadMessages, readChannels, type Sources } from './read-channels.ts';
import type { Wanted } from './wanted.ts';

/** A channel that a reading follows from now on. Its messages after `from` have to be read, if the reader does not have them. */
export interface Addition {
  /** The id of the change that added the channel. */
  id: Position;
  /** The messages after this position are for the reader. */
  from: Position;
  /** The channel was already added, at this later place: messages behind it have been read, and only those before it are to be read. */
  before?: Place | undefined;
  /** The channel was followed all along: messages from before it was dropped may be owed, too. */
  isHeard?: boolean;
  /** The gaps that were known before the channel was followed: the hub notifies the reader of later ones. */
  gaps?: Gap[];
  /** The channel has been read up to `from`, and the reader was notified of those gaps. */
  isRead?: boolean;
}

const NONE: ReadonlyMap<string, Addition> = new Map();

/** The channels that were added to a reading and are not read yet. */
export class Additions {
  /** `undefined` while no channel is added: an empty map for each of many waiting polls would cost memory. */
  #added: Map<string, Addition> | undefined;

  get isEmpty(): boolean {
    return !this.#added || this.#added.size === 0;
  }

  /** If a channel is added twice, the earlier place counts: the filter removes messages between the two that are not for the reader. */
  add(channel: string, addition: Addition): void {
    this.#added ??= new Map();
    const known = this.#added.get(channel);
    if (!known) {
      this.#added.set(channel, addition);
      return;
    }
    const from = isAfter(addition.from, known.from) ? known.from : addition.from;
    this.#added.set(channel, { ...known, id: addition.id, from, before: known.before && addition.before });
  }

  clear(): void {
    this.#added = undefined;
  }

  take(): Map<string, Addition> {
    const taken = this.#added ?? new Map();
    this.#added = undefined;
    return taken;
  }

  /** The owed messages up to this position have been read, and filtered with the filter as it is now. */
  haveRead(upTo: Position): void {
    if (!this.#added) return;
    for (const [channel, addition] of this.#added) {
      // The channel was followed already: only messages between its earlier place and `before` were new to the reader, and they are read.
      if (addition.before) this.#added.delete(channel);
      else Object.assign(addition, { from: laterOf(addition.from, upTo), isRead: true });
    }
  }

  /** What has to be read of an added channel, for a reader that has come to `position`; `undefined`: the same as if it had not been added. */
  owedOf(channel: string, position: Position): Wanted | undefined {
    const addition = this.#added?.get(channel);
    // A grant that has moved is in the timeline.
    if (!addition || addition.before) return undefined;
    const { id, from, isHeard, gaps } = addition;
    const after = isAfter(id, position) ? from : position;
    if (!isHeard) return { channel, after, gaps };
    // The channel was followed all along: it matters only if the reader has come further than the grant.
    return isAfter(position, after) ? { channel, after, isRead: true } : undefined;
  }

  follow(hub: Hub, reader: Reader): Promise<void> {
    return follow(this.#added ?? NONE, hub, reader);
  }
}

/** Settles when the hub delivers these channels to the reader. */
export async function follow(added: ReadonlyMap<string, Addition>, hub: Hub, reader: Reader): Promise<void> {
  for (const addition of added.values()) addition.gaps ??= hub.gaps;
  await hub.follow(reader, [...added.keys()]);
}

/** Reads the messages of these channels up to `seam`, the hub's position, for a reader that has everything up to `position`. */
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

/** Puts the messages that were read in their places among those in the gate. `behind`: how many records the last of them waits for. */
export function insertAdded(
  gate: Gate,
  added: Map<string, Addition>,
  { deliveries, resets }: { deliveries: Delivery[]; resets: Reset[] },
  position: Position,
  behind: number,
): void {
  const told = [...resets];
  // These messages have lower ids than the reader's position, because a plain PUBLISH that was recorded late added the channel.
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
