import { setTimeout as wait } from 'node:timers/promises';
import type { BacklogReader, Rights, RightsReader } from '../backlog/backlog.ts';
import type { Gap } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { isLater, type Place } from '../message/place.ts';
import { BEGINNING, earlier, isAfter, laterOf, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { isExpected } from '../repeats.ts';
import type { Gate, Reset } from './gate.ts';
import { readChannels, type Wanted } from './read-channels.ts';
import { Timeline } from './timeline.ts';

/**
 * How long a message may come to be recorded that was published plainly before a change of rights (ms). For so long a channel that was
 * revoked is followed, for what is owed of it.
 */
const RECORD_PATIENCE = 10_000;
/** What an open stream is refused is asked again after such pauses (ms), which double. */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 1000;

export interface MembershipOptions {
  user: string;
  hub: Hub;
  backlog: RightsReader & BacklogReader;
  logger: Logger;
  recordsPlain: (channel: string) => boolean;
  now?: () => number;
}

/** A channel that has to be read: what follows this id, if the reader does not have it. */
interface Gain {
  /** The id of what granted it. */
  id: Position;
  from: Position;
  /** The grant was known already, and stood here: what is behind it has been read. */
  before: Place | undefined;
  /** The gaps that were known before it was followed: of later ones the hub tells. */
  gaps?: Gap[];
  /** It has been read up to `from`, and its reader was told of those gaps. */
  isRead?: boolean;
}

/**
 * The channels that one reader follows: the user's own, those on the list of the user, and for a while those that were on it.
 *
 * Invariant: the reader hears every channel of `timeline.channels` that is not in `#gained`, and has read it from the place on at
 * which it was granted. What it hears is judged by the timeline alone: to follow a channel longer than it is on the list does no harm.
 */
export class Membership {
  readonly own: string;
  readonly timeline = new Timeline();
  readonly #reader: Reader;
  readonly #options: MembershipOptions;
  /** Followed, and not on the list any more. */
  #ended: string[] = [];
  #gained = new Map<string, Gain>();
  /** The list has to be read, for a reason that no message carries. */
  #isStale = false;
  /** When the last change of rights was heard (ms). */
  #changedAt = 0;
  #left = false;
  /** Withdraws a list that is to be read. */
  #reading: AbortController | undefined;

  constructor(reader: Reader, options: MembershipOptions) {
    this.#reader = reader;
    this.#options = options;
    this.own = channelOfUser(options.user);
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** Whether channels were granted that are not read yet. */
  get isGaining(): boolean {
    return this.#gained.size > 0;
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

  /** The same for a stream that is open, and has been told of the gaps of all channels that it has read. */
  owedAgain(position: Position): Wanted[] {
    const wanted: Wanted[] = [{ channel: this.own, after: position, isRead: true }];
    for (const channel of this.#followed) {
      const gain = this.#gained.get(channel);
      if (gain && !gain.before) {
        wanted.push({ channel, after: isAfter(gain.id, position) ? gain.from : position, gaps: gain.gaps });
      } else wanted.push({ channel, after: this.timeline.startOf(channel, position), isRead: true });
    }
    return wanted;
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
      this.#gained.clear();
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
      if (kind === 'granted') this.#gain(channel, { id: now, from: place.id, before: was });
      else if (!this.#ended.includes(channel)) this.#ended.push(channel);
      followed.add(channel);
    }
    return this.isGaining;
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
    await this.#follow(this.#gained);
    return rights;
  }

  /**
   * Follows the channels that were granted, from the place of their grant, or from the reader's position if that is later; puts
   * what was published there in its place among what is held. `behind`: what the last of it waits for.
   */
  async gain(gate: Gate, position: Position, behind: () => number): Promise<void> {
    const { hub, backlog, recordsPlain } = this.#options;
    const gained = this.#gained;
    this.#gained = new Map();
    await this.#follow(gained);
    if (this.#left) return;
    const { timeline } = this;
    const wanted = [...gained].map(([channel, { id, from, gaps, isRead = false }]) => ({
      channel,
      after: isAfter(id, position) ? from : position,
      gaps,
      isRead,
    }));
    const found = await this.#persistently(() =>
      readChannels(wanted, hub.position, { hub, backlog, timeline, gaps: hub.gaps, recordsPlain }),
    );
    const messages = found.messages.filter(({ channel, place }) => {
      const { before } = gained.get(channel)!;
      return !before || isLater(before, place);
    });
    const resets = found.resets.filter(({ channel }) => {
      // Granted, revoked and granted again: what is gone from the backlog by now may be held since the first time.
      const from = found.gaps.get(channel);
      const head = hub.subscription(channel)?.head;
      return from === undefined || head === undefined || !gate.hasAll(channel, found.messages, from, head);
    });
    this.#merge(gate, gained, resets, messages, position, behind());
  }

  /** What is owed up to this position has been read, and judged by the timeline as it is now. */
  haveRead(upTo: Position): void {
    for (const [channel, gain] of this.#gained) {
      // The channel is followed: only what is behind its earlier place was not for the user before.
      if (gain.before) this.#gained.delete(channel);
      else Object.assign(gain, { from: laterOf(gain.from, upTo), isRead: true });
    }
  }

  /** Asks for a stream that is open. */
  async persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return this.#persistently(ask);
  }

  /** Hears nothing any more. */
  leave(): void {
    this.#left = true;
    this.#reading?.abort();
    this.#options.hub.leave(this.#reader, [this.own, ...this.timeline.channels, ...this.#ended]);
    this.timeline.channels = [];
  }

  #merge(
    gate: Gate,
    gained: Map<string, Gain>,
    resets: Reset[],
    found: Message[],
    position: Position,
    behind: number,
  ): void {
    // They have lower ids than what the reader has: a message that was recorded late granted the channel.
    const overtaken = new Set(found.filter(({ id }) => !isAfter(id, position)).map(({ channel }) => channel));
    for (const { channel } of resets) overtaken.delete(channel);
    for (const channel of overtaken) resets.push({ channel, reason: 'overtaken' });
    const messages = found.filter(({ id }) => isAfter(id, position));
    gate.insert(messages, behind);
    for (const reset of resets) gate.insertReset(reset, gained.get(reset.channel)!.id);
  }

  async #follow(gained: Map<string, Gain>): Promise<void> {
    const { hub } = this.#options;
    for (const gain of gained.values()) gain.gaps ??= hub.gaps;
    await this.#persistently(() => hub.follow(this.#reader, [...gained.keys()]));
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

  /** Of two grants the earlier one counts: between them the timeline judges. */
  #gain(channel: string, gain: Gain): void {
    const known = this.#gained.get(channel);
    if (!known) this.#gained.set(channel, gain);
    else {
      const from = isAfter(gain.from, known.from) ? known.from : gain.from;
      this.#gained.set(channel, { ...known, id: gain.id, from, before: known.before && gain.before });
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
        this.#gain(channel, { id, from: timeline.grantAfter(channel, version)?.id ?? id, before: undefined });
      ended.add(channel);
    }
    this.#ended = [...ended].filter((channel) => !timeline.channels.includes(channel));
  }

  /**
   * Nothing is changed yet: a Redis that is away, or slow, is asked again, and the reader sees nothing of it but that its messages wait.
   * Whether all streams end is for the grace to say.
   */
  async #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LAST_PAUSE)) {
      try {
        return await ask();
      } catch (error) {
        if (this.#left || !isExpected(error)) throw error;
        await wait(pause * (0.5 + Math.random()));
        if (this.#left) throw error;
      }
    }
  }
}
