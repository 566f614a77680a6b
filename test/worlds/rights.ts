import type { Moment } from '../support/monitor.ts';
import { countBelow, type History, type Look, type Publication } from './history.ts';

/** Whether a user surely had a channel at a place, surely had it not, or nobody could know. */
export type Right = 'yes' | 'no' | 'either';

/** The orders between which a stream was opened: surely before its request was sent, surely after its `ok` was read. */
export interface Opening {
  requested: number;
  ok: number;
}

/** One channel came on a user's list, or went. */
interface Change {
  to: boolean;
  moment: Moment;
  /** The new right may count from behind this order. */
  from: number;
  /** From this order on the new right counts: the place of the message that told of it. */
  told: number;
  /** The list was read before the change was undone: somebody could know of it. */
  seen: boolean;
}

/**
 * The rights of one user, by Redis's own order.
 *
 * A change of the list counts from the message on the user's channel that follows it. Between the two either is right, and
 * so it is in these cases, because nobody who goes by what Redis tells could know better:
 *
 * - A plain PUBLISH on the user's channel was made before the change and recorded after it. The record is the first to
 *   show the change, and may take its own message for the one that told of it. It cannot be that one if the list was read
 *   behind its place, and had not changed yet (`from`).
 * - The list was read between the change and its message, or no message ever came. Then it may have changed at any time
 *   since it was read before (`from`); who reads it later knows (`toldTo`).
 * - The list was not read at all between a change and its undoing (`seen`): both may never have been.
 * - Nobody had read the list before: what was on it may have been there always.
 */
export class UserRights {
  readonly #history: History;
  /** Messages on the user's own channel that were recorded, by place. */
  readonly #own: Publication[];
  readonly #looks: Look[];
  /** The steps that recorded messages on the user's own channel, and so read the list; with the order of the last of them. */
  readonly #recording: Map<number, number>;
  readonly #changes = new Map<string, Change[]>();

  constructor(history: History, user: string) {
    this.#history = history;
    this.#own = history.publications
      .filter(({ channel, entries }) => channel === `user:${user}` && entries.length > 0)
      .sort((a, b) => a.place.order - b.place.order);
    this.#looks = history.looks.filter((look) => look.user === user);
    const entries = this.#own.flatMap((publication) => publication.entries).map(({ moment }) => moment);
    entries.sort((a, b) => a.order - b.order);
    this.#recording = new Map(entries.map(({ step, order }) => [step, order]));
    this.#follow(user);
  }

  /** Every channel that was ever on the list. */
  get channels(): string[] {
    return [...this.#changes.keys()];
  }

  /** Whether the user had the channel at this place, as a stream that was opened then has to know. */
  at(channel: string, order: number, opening: Opening): Right {
    let possible = new Set([false]);
    for (const change of this.#changes.get(channel) ?? []) {
      if (order < change.from) continue;
      if (order >= this.#toldTo(change, opening) && change.seen) possible = new Set([change.to]);
      else possible.add(change.to);
    }
    if (possible.size === 2) return 'either';
    return possible.has(true) ? 'yes' : 'no';
  }

  /** Whether the channel may have been off the list at some moment between two orders. */
  mayHaveLost(channel: string, from: number, to: number): boolean {
    const changes = this.#changes.get(channel) ?? [];
    return changes.some((change) => !change.to && change.moment.order < to && change.told > from);
  }

  /** Whether the channel was on the list at any moment while this stream was opened. */
  wasListed(channel: string, { requested, ok }: Opening): boolean {
    const changes = this.#changes.get(channel) ?? [];
    const before = changes.findLast(({ moment }) => moment.order < requested);
    if (before?.to) return true;
    return changes.some(({ to, moment: { order } }) => to && order >= requested && order < ok);
  }

  /** Whether the user had lost the channel by this place, or had yet to be given it. */
  whyNot(channel: string, order: number): 'leaked' | 'early' | 'foreign' {
    const changes = this.#changes.get(channel) ?? [];
    if (changes.some(({ to, moment }) => !to && moment.order < order)) return 'leaked';
    return changes.some(({ to, moment }) => to && moment.order > order) ? 'early' : 'foreign';
  }

  #follow(user: string): void {
    let before = new Set<string>();
    for (const { moment, atomic, channels, ...change } of this.#history.lists) {
      if (change.user !== user) continue;
      const now = new Set(channels);
      for (const channel of now) if (!before.has(channel)) this.#add(channel, true, moment, atomic);
      for (const channel of before) if (!now.has(channel)) this.#add(channel, false, moment, atomic);
      before = now;
    }
    for (const changes of this.#changes.values()) {
      changes.forEach((change, i) => {
        change.seen ||= this.#isSeen(change, changes[i + 1]);
      });
    }
  }

  #add(channel: string, to: boolean, moment: Moment, atomic: boolean): void {
    const changes = this.#changes.get(channel) ?? [];
    this.#changes.set(channel, changes);
    const teller = this.#own.find(({ place }) => place.order > moment.order);
    const from = atomic ? moment.order : this.#earliest(moment, teller?.place);
    changes.push({ to, moment, from, told: teller?.place.order ?? Number.POSITIVE_INFINITY, seen: atomic });
  }

  #isSeen({ moment }: Change, next: Change | undefined): boolean {
    if (!next) return true;
    return this.#looks.some((look) => look.moment.order > moment.order && look.moment.order < next.moment.order);
  }

  #earliest(change: Moment, teller: Moment | undefined): number {
    const before = this.#looks.filter(({ moment }) => moment.order < change.order);
    const last = before.at(-1);
    if (!last) return Number.NEGATIVE_INFINITY;
    const waiting = this.#own.filter(
      ({ plain, place, entries }) =>
        plain &&
        place.order < change.order &&
        entries[0]!.moment.order > change.order &&
        !before.some(({ moment }) => this.#isKnownBehind(moment, place)),
    );
    const untold = this.#looks.some(
      ({ moment: { order, step } }) =>
        order > change.order &&
        !this.#recording.has(step) &&
        (teller === undefined || (order < teller.order && step < teller.step)),
    );
    return Math.min(
      change.order,
      ...waiting.map(({ place }) => place.order),
      untold ? this.#lastId(last.moment) : Number.POSITIVE_INFINITY,
    );
  }

  /**
   * Whether it can be told that the list was read behind a plain PUBLISH. The place of either is the last id before it, so
   * there must have been an id between the two, or one that the reading gave out itself.
   */
  #isKnownBehind(look: Moment, place: Moment): boolean {
    if (look.order < place.order) return false;
    const { ids } = this.#history;
    const next = ids[countBelow(ids, place.order)];
    if (next === undefined) return false;
    return next < look.order || (this.#recording.get(look.step) ?? -1) > look.order;
  }

  /** The place of a reading of the list, as far as it can be told: the last id before it. */
  #lastId({ order }: Moment): number {
    const { ids } = this.#history;
    return ids[countBelow(ids, order) - 1] ?? Number.NEGATIVE_INFINITY;
  }

  /** From when on a change counts for a stream: who reads the list after the change knows of it, told or not. */
  #toldTo({ moment, told }: Change, { requested, ok }: Opening): number {
    if (moment.order >= requested) return told;
    const look = this.#looks.find(({ moment: { order } }) => order > moment.order);
    const known = look && look.moment.order < requested ? look.moment.order : ok;
    return Math.min(told, known);
  }
}
