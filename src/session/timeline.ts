import type { Rights } from '../backlog/backlog.ts';
import type { Message } from '../message/message.ts';
import { comparePlaces, isLater, type Place, placeOf } from '../message/place.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import type { Change, RightsChange } from '../message/rights-change.ts';

/**
 * The rights of one user through time.
 *
 * Invariant: `channels` is the list as of `version`, and `changes` are the last changes that led to it, in the order of their places. A
 * message is for the user if the list had its channel at the message's own place, whatever was read or recorded since.
 */
export class Timeline {
  /** The id of the last change that is known here. */
  version = BEGINNING;
  /** The user's list. An array, because there is one for each of many streams. */
  channels: string[] = [];
  #changes: Change[] = [];

  /** Whether every channel of the list has been on it for as long as matters. */
  get isQuiet(): boolean {
    return this.#changes.length === 0;
  }

  /** Takes over what the store knows. */
  replace({ version, channels, changes }: Rights): void {
    this.version = version;
    this.channels = [...channels.keys()];
    this.#changes = [];
    for (const change of changes) this.#insert(change);
  }

  /** Takes over the changes that came with a message or a look; `now` follows on `before`, which is the version here. */
  apply({ now, changes }: RightsChange): void {
    this.version = now;
    for (const change of changes ?? []) {
      const { channel, kind, was } = change;
      if (was) this.#remove(change);
      else if (kind === 'revoked') this.channels = this.channels.filter((other) => other !== channel);
      else if (!this.channels.includes(channel)) this.channels.push(channel);
      this.#insert(change);
    }
  }

  /** Whether the user had the right to the channel when this was published: the last change before it decides. */
  allows({ channel, place }: Message): boolean {
    let first: Change | undefined;
    let last: Change | undefined;
    for (const change of this.#changes) {
      if (change.channel !== channel) continue;
      first ??= change;
      if (!isLater(place, change.place)) break;
      last = change;
    }
    if (last) return last.kind === 'granted';
    return first?.kind !== 'granted';
  }

  /**
   * From where on the channel has to be read for a reader that has everything up to `position`: nothing between the two is for
   * the user. `granted`: the id that the channel was granted with, if no change tells.
   */
  startOf(channel: string, position: Position, granted = BEGINNING): Position {
    const changes = this.#changes.filter((change) => change.channel === channel);
    const before = changes.findLast(({ place }) => !isAfter(place.id, position));
    if (before ? before.kind === 'granted' : changes[0]?.kind === 'revoked') return position;
    return this.grantAfter(channel, position)?.id ?? (isAfter(granted, position) ? granted : position);
  }

  /** The place of the first grant of the channel behind the message with this id, if there is one. */
  grantAfter(channel: string, id: Position): Place | undefined {
    return this.#changes.find((change) => change.channel === channel && isGrantAfter(change, id))?.place;
  }

  /** The channels that were granted behind the message with this id, also if they were revoked since. */
  grantedAfter(id: Position): string[] {
    return [...new Set(this.#changes.filter((change) => isGrantAfter(change, id)).map(({ channel }) => channel))];
  }

  lastGrantOf(channel: string): Place | undefined {
    return this.#changes.findLast((change) => change.channel === channel && change.kind === 'granted')?.place;
  }

  /** Nothing can come any more that was published before this position. */
  forgetBefore(position: Position): void {
    this.#changes = this.#changes.filter(({ place }) => isAfter(place.id, position));
  }

  /** Whether a change of this channel matters yet. */
  hasChangeOf(channel: string): boolean {
    return this.#changes.some((change) => change.channel === channel);
  }

  /** A change that was found to stand at an earlier place. */
  #remove({ channel, kind, was }: Change): void {
    this.#changes = this.#changes.filter(
      (change) => change.channel !== channel || change.kind !== kind || comparePlaces(change.place, was!) !== 0,
    );
  }

  /** Behind those of the same place: they were made in this order. */
  #insert(change: Change): void {
    const at = this.#changes.findIndex(({ place }) => isLater(place, change.place));
    this.#changes.splice(at < 0 ? this.#changes.length : at, 0, change);
  }
}

function isGrantAfter({ kind, place }: Change, id: Position): boolean {
  return kind === 'granted' && isLater(place, placeOf(id));
}
