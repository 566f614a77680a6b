import type { Rights } from '../backlog/backlog.ts';
import type { Message } from '../message/message.ts';
import { comparePlaces, isLater, type Place, placeOf } from '../message/place.ts';
import { BEGINNING, earlier, isAfter, type Position } from '../message/position.ts';
import type { Change, RightsChange } from '../message/rights-change.ts';
import type { Wanted } from '../reading/wanted.ts';

/**
 * The rights of one user through time.
 *
 * Invariant: `channels` is the list as of `version`, and `#changes` are the last changes that led to it, in the order of their places. A
 * message is for the user if its channel was on the list at the message's own place, regardless of what was read or recorded since.
 */
export class Timeline {
  /** The id of the last change that is known here. */
  version = BEGINNING;
  /** The user's list. An array, to save memory: each of many streams has one. */
  channels: string[] = [];
  #changes: Change[] = [];

  /** Whether no change is kept, because every channel of the list has been on it for as long as matters. */
  get isQuiet(): boolean {
    return this.#changes.length === 0;
  }

  /** Replaces list and changes by those of the store. */
  replace({ version, channels, changes }: Rights): void {
    this.version = version;
    this.channels = [...channels.keys()];
    this.#changes = [];
    for (const change of changes) this.#insert(change);
  }

  /** Applies changes received with a message or a note. The caller has checked that their `before` is the version here. */
  apply({ now, changes }: RightsChange): void {
    this.version = now;
    for (const change of changes ?? []) {
      const { channel, kind, was } = change;
      if (was) this.#remove(change);
      else if (kind === 'revoked') this.channels = this.channels.filter((other) => other !== channel);
      else if (!this.channels.includes(channel)) this.channels.push(channel);
      this.#insert(was ? { ...change, told: now } : change);
    }
  }

  /** Whether the user had the right to the channel when the message was published: the last change before it decides. */
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
   * The position after which the channel has to be read, for a reader that has everything up to `position`: nothing between the two
   * is for the user. `granted`: the id with which the channel was granted, for the case that no change contains it.
   */
  startOf(channel: string, position: Position, granted = BEGINNING): Position {
    const changes = this.#changes.filter((change) => change.channel === channel);
    const before = changes.findLast(({ place }) => !isAfter(place.id, position));
    if (before ? before.kind === 'granted' : changes[0]?.kind === 'revoked') return position;
    return this.grantAfter(channel, position)?.id ?? (isAfter(granted, position) ? granted : position);
  }

  /** What has to be read of the channel, for a reader that has come to `position`. `granted`: see `startOf`; `late`: see `passedBy`. */
  owedOf(
    channel: string,
    position: Position,
    { granted, late }: { granted?: Position | undefined; late?: number } = {},
  ): Wanted {
    return this.passedBy(channel, position, late) ?? { channel, after: this.startOf(channel, position, granted) };
  }

  /**
   * What a reader that has come to `position` has gone past, because a grant of the channel has moved to an earlier place and the reader was
   * not told of the move: messages behind that place were not for the user yet when the reader came by. `undefined` if there is no such
   * grant. `late`: grants that moved sooner than this after they were found (ms) are left out.
   */
  passedBy(channel: string, position: Position, late = 0): Wanted | undefined {
    const moved = this.#changes.find((change) => {
      const { kind, place, was, told } = change;
      if (change.channel !== channel || kind !== 'granted' || !was || told === undefined) return false;
      return isAfter(told, position) && isAfter(position, place.id) && !isAfter(was.id, earlier(told, late));
    });
    return moved && { channel, after: moved.place.id, before: moved.was };
  }

  /** The place of the first grant of the channel after the message with this id, if there is one. */
  grantAfter(channel: string, id: Position): Place | undefined {
    return this.#changes.find((change) => change.channel === channel && isGrantAfter(change, id))?.place;
  }

  /** The channels that were granted after the message with this id, including those that were revoked since. */
  grantedAfter(id: Position): string[] {
    return [...new Set(this.#changes.filter((change) => isGrantAfter(change, id)).map(({ channel }) => channel))];
  }

  /** The place of the last grant of the channel, if one is known. */
  lastGrantOf(channel: string): Place | undefined {
    return this.#changes.findLast((change) => change.channel === channel && change.kind === 'granted')?.place;
  }

  /** Forgets the changes up to this position, because no message from before it can arrive any more. */
  forgetBefore(position: Position): void {
    this.#changes = this.#changes.filter(({ place }) => isAfter(place.id, position));
  }

  /** Whether a change of this channel is still kept. */
  hasChangeOf(channel: string): boolean {
    return this.#changes.some((change) => change.channel === channel);
  }

  /** Removes a change from the place at which it stood before (`was`), because it has moved to an earlier one. */
  #remove({ channel, kind, was }: Change): void {
    this.#changes = this.#changes.filter(
      (change) => change.channel !== channel || change.kind !== kind || comparePlaces(change.place, was!) !== 0,
    );
  }

  /** Inserts the change by its place, after those of the same place, because they were made in this order. */
  #insert(change: Change): void {
    const at = this.#changes.findIndex(({ place }) => isLater(place, change.place));
    this.#changes.splice(at < 0 ? this.#changes.length : at, 0, change);
  }
}

function isGrantAfter({ kind, place }: Change, id: Position): boolean {
  return kind === 'granted' && isLater(place, placeOf(id));
}
