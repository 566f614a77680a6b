import type { Rights, RightsReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, earlier, isAfter, laterOf, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Additions } from '../reading/additions.ts';
import { persistently } from '../reading/persistently.ts';
import type { Wanted } from '../reading/read-channels.ts';
import type { Channels } from '../reading/reading.ts';
import { Timeline } from './timeline.ts';

/**
 * How long a message may come to be recorded that was published plainly before a change of rights (ms). For so long a channel that was
 * revoked is followed, for what is owed of it.
 */
const RECORD_PATIENCE = 10_000;
export interface MembershipOptions {
  user: string;
  hub: Hub;
  backlog: RightsReader;
  logger: Logger;
  recordsPlain: (channel: string) => boolean;
  now?: () => number;
}

/**
 * The channels that one reader follows: the user's own, those on the list of the user, and for a while those that were on it.
 *
 * Invariant: the reader hears every channel of `timeline.channels` that is not among its additions, and has read it from the place on at
 * which it was granted. What it hears is judged by the timeline alone: to follow a channel longer than it is on the list does no harm.
 */
export class Membership implements Channels {
  readonly own: string;
  readonly timeline = new Timeline();
  readonly #reader: Reader;
  readonly #additions: Additions;
  readonly #options: MembershipOptions;
  /** Followed, and not on the list any more. */
  #ended: string[] = [];
  /** The list has to be read, for a reason that no message carries. */
  #isStale = false;
  /** When the last change of rights was heard (ms). */
  #changedAt = 0;
  #left = false;
  /** Withdraws a list that is to be read. */
  #reading: AbortController | undefined;

  constructor(reader: Reader, additions: Additions, options: MembershipOptions) {
    this.#reader = reader;
    this.#additions = additions;
    this.#options = options;
    this.own = channelOfUser(options.user);
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** Whether `sweep` has nothing to do. */
  get isSettled(): boolean {
    return this.timeline.isQuiet;
  }

  /**
   * What is to be read for a reader that has everything up to `position`, when its stream opens. `listed`: the list with which it
   * opened; of a channel that is not on it, only what was published behind a later grant is owed, even if the user had it once.
   */
  owedAtFirst(position: Position, listed: Pick<Rights, 'channels' | 'version'>): Wanted[] {
    const { timeline } = this;
    const wanted: Wanted[] = [{ channel: this.own, after: position }];
    for (const channel of this.#followed) {
      if (listed.channels.has(channel)) {
        wanted.push({ channel, after: timeline.startOf(channel, position, listed.channels.get(channel)) });
        continue;
      }
      const grant = timeline.grantAfter(channel, listed.version) ?? timeline.lastGrantOf(channel);
      const isOwed = grant && (timeline.channels.includes(channel) || isAfter(grant.id, listed.version));
      if (isOwed) wanted.push({ channel, after: laterOf(position, grant.id) });
    }
    return wanted;
  }

  /** Every message is for the user, until rights change. */
  get isQuiet(): boolean {
    return this.timeline.isQuiet;
  }

  allows(message: Message): boolean {
    return this.timeline.allows(message);
  }

  startOf(channel: string, position: Position): Position {
    return channel === this.own ? position : this.timeline.startOf(channel, position);
  }

  get followed(): Set<string> {
    return this.#followed.add(this.own);
  }

  get #followed(): Set<string> {
    return new Set([...this.timeline.channels, ...this.#ended]);
  }

  /** The list has to be read again. */
  expire(): void {
    this.#isStale = true;
  }

  /**
   * Follows the user's channel, then reads the list: a change that the list does not show is heard after it. Then follows the
   * channels on the list. If a change was heard before the list that it belongs to was known, the list is read once more: what is
   * replayed has to be judged by all changes up to the seam. @throws SisyphusError `redis_unavailable`
   */
  async open(): Promise<Pick<Rights, 'channels' | 'version' | 'unsettled'>> {
    const { hub } = this.#options;
    await hub.follow(this.#reader, [this.own]);
    let rights: Rights | undefined;
    do {
      this.#isStale = false;
      rights = await this.#read();
      if (!rights || this.#left) break;
      this.#take(rights);
      this.#additions.clear();
      await hub.follow(this.#reader, this.timeline.channels);
    } while (this.#isStale && !this.#left);
    return rights ?? { channels: new Map(), version: BEGINNING, unsettled: false };
  }

  /** A change of the list was heard, with a message or by itself. Answers whether there is something to do. */
  changed({ before, now, changes }: RightsChange): boolean {
    if (!isAfter(now, this.timeline.version)) return false;
    if (before !== this.timeline.version || !changes) {
      this.#isStale = true;
      return true;
    }
    this.#changedAt = this.#now();
    const followed = this.#followed;
    this.timeline.apply({ before, now, changes });
    for (const { channel, kind, place, was } of changes) {
      // What has moved on a channel that was on no list of this reader's does not concern it.
      if (channel === this.own || (was && !followed.has(channel))) continue;
      if (kind === 'granted')
        this.#additions.add(channel, { id: now, from: place.id, before: was, isHeard: followed.has(channel) });
      else if (!this.#ended.includes(channel)) this.#ended.push(channel);
      followed.add(channel);
    }
    return !this.#additions.isEmpty;
  }

  /** Called every second until `isSettled`. */
  sweep(holding: boolean): void {
    // Messages that are held were heard before, and are judged when they are given.
    if (holding || this.timeline.isQuiet) return;
    const { hub } = this.#options;
    const isOver = this.#now() - this.#changedAt >= RECORD_PATIENCE;
    this.timeline.forgetBefore(isOver ? hub.position : earlier(hub.position, RECORD_PATIENCE));
    const over = this.#ended.filter((channel) => !this.timeline.hasChangeOf(channel));
    if (over.length === 0) return;
    this.#ended = this.#ended.filter((channel) => !over.includes(channel));
    hub.leave(
      this.#reader,
      over.filter((channel) => !this.timeline.channels.includes(channel)),
    );
  }

  /** Reads the whole list, and follows what is new on it; what was published there is read by whoever calls. */
  async reread(): Promise<Pick<Rights, 'unsettled'>> {
    this.#isStale = false;
    const rights = await this.#persistently(() => this.#read());
    if (!rights || this.#left) return { unsettled: false };
    this.#take(rights);
    await this.#persistently(() => this.#additions.follow(this.#options.hub, this.#reader));
    return rights;
  }

  /** Hears nothing any more. */
  leave(): void {
    this.#left = true;
    this.#reading?.abort();
    this.#options.hub.leave(this.#reader, [this.own, ...this.timeline.channels, ...this.#ended]);
    this.timeline.channels = [];
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  async #read(): Promise<Rights | undefined> {
    const { user, backlog } = this.#options;
    this.#reading ??= new AbortController();
    const size = this.timeline.version === BEGINNING ? undefined : this.timeline.channels.length;
    try {
      const [rights] = await backlog.rights([{ user, size, signal: this.#reading.signal }]);
      this.#reading = undefined;
      return rights;
    } catch (error) {
      if (this.#left) return undefined;
      throw error;
    }
  }

  /** Makes the list what was read; what is new on it is gained. */
  #take(rights: Rights): void {
    const { timeline } = this;
    const { version } = timeline;
    if (isAfter(version, rights.version)) {
      // A change was heard meanwhile that is newer than what was read.
      this.#isStale = true;
      return;
    }
    const followed = this.#followed;
    timeline.replace(rights);
    timeline.channels = timeline.channels.filter((channel) => channel !== this.own);
    this.#changedAt = this.#now();
    const ended = new Set(followed);
    const sinceThen = version === BEGINNING ? [] : timeline.grantedAfter(version).filter((name) => name !== this.own);
    // Granted since the list was read before: from that grant on, also if it was revoked again, or granted once more.
    for (const channel of new Set([...timeline.channels, ...sinceThen])) {
      const id = rights.channels.get(channel) ?? rights.version;
      if (!followed.has(channel))
        this.#additions.add(channel, { id, from: timeline.grantAfter(channel, version)?.id ?? id });
      ended.add(channel);
    }
    this.#ended = [...ended].filter((channel) => !timeline.channels.includes(channel));
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#left);
  }
}
