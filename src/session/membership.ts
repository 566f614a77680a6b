import { setTimeout as wait } from 'node:timers/promises';
import type { Backlog, Rights } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { isLater, type Place } from '../message/place.ts';
import { earlier, isAfter, laterOf, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Gate, Reset } from './gate.ts';
import { readChannels } from './read-channels.ts';
import { Timeline } from './timeline.ts';

/**
 * How long a message may come to be recorded that was published plainly before a change of rights (ms). For so long a channel that was
 * revoked is followed, for what is owed of it.
 */
const RECORD_PATIENCE = 10_000;
/**
 * How long an open stream is refused what a Redis that answers others should give it, before its client has to come back
 * (ms). A Redis that answers nobody is waited for: whether that is too long is the same for all streams (the grace).
 */
const READ_PATIENCE = 3000;

export interface MembershipOptions {
  user: string;
  hub: Hub;
  backlog: Backlog;
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

  /** The channels of which something may be owed, without the user's own. */
  get channels(): string[] {
    return [...new Set([...this.timeline.channels, ...this.#ended])];
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
  async open(): Promise<Pick<Rights, 'channels' | 'unsettled'>> {
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
    return { channels: rights?.channels ?? new Map(), unsettled: rights?.unsettled ?? false };
  }

  /** A change of the list was heard, with a message or by itself. Answers whether there is something to do. */
  changed({ before, now, changes }: RightsChange): boolean {
    if (!isAfter(now, this.timeline.version)) return false;
    if (before !== this.timeline.version || !changes) {
      this.#isStale = true;
      return true;
    }
    this.timeline.apply({ before, now, changes });
    this.#changedAt = this.#now();
    for (const { channel, kind, place, was } of changes) {
      if (channel === this.own) continue;
      if (kind === 'granted') this.#gain(channel, { id: now, from: place.id, before: was });
      else if (!this.#ended.includes(channel)) this.#ended.push(channel);
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

  /** Reads the whole list. */
  async reread(): Promise<void> {
    this.#isStale = false;
    const rights = await this.#persistently(() => this.#read());
    if (!rights || this.#left) return;
    if (rights.unsettled) await this.#persistently(() => this.#options.hub.settle());
    if (this.#left) return;
    this.#take(rights);
  }

  /**
   * Follows the channels that were granted, from the place of their grant, or from the reader's position if that is later; puts
   * what was published there in its place among what is held. `behind`: what the last of it waits for.
   */
  async gain(gate: Gate, position: Position, behind: () => number): Promise<void> {
    const { hub, backlog, recordsPlain } = this.#options;
    const gained = this.#gained;
    this.#gained = new Map();
    // Of later gaps the hub tells, because the channels are followed then.
    const { gaps } = hub;
    await this.#persistently(() => hub.follow(this.#reader, [...gained.keys()]));
    if (this.#left) return;
    const { timeline } = this;
    const wanted = [...gained].map(([channel, { id, from }]) => ({
      channel,
      after: isAfter(id, position) ? from : position,
    }));
    const found = await this.#persistently(() =>
      readChannels(wanted, hub.position, { hub, backlog, timeline, gaps, recordsPlain }),
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

  /** These channels have been read up to this position, and what was read was judged by the timeline as it is now. */
  haveRead(channels: ReadonlyMap<string, unknown>, upTo: Position): void {
    for (const [channel, gain] of this.#gained) {
      if (!channels.has(channel)) continue;
      // The channel is followed: only what is behind its earlier place was not for the user before.
      if (gain.before) this.#gained.delete(channel);
      else gain.from = laterOf(gain.from, upTo);
    }
  }

  /** Asks for a stream that is open. */
  async persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return this.#persistently(ask);
  }

  /** Hears nothing any more. */
  leave(): void {
    this.#left = true;
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

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  async #read(): Promise<Rights | undefined> {
    const [rights] = await this.#options.backlog.rights([{ user: this.#options.user }]);
    return rights;
  }

  /** Of two grants the earlier one counts: between them the timeline judges. */
  #gain(channel: string, gain: Gain): void {
    const known = this.#gained.get(channel);
    if (!known) this.#gained.set(channel, gain);
    else {
      const from = isAfter(gain.from, known.from) ? known.from : gain.from;
      this.#gained.set(channel, { id: gain.id, from, before: known.before && gain.before });
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
    const followed = new Set([...timeline.channels, ...this.#ended]);
    const { channels } = rights;
    timeline.replace(rights);
    timeline.channels = timeline.channels.filter((channel) => channel !== this.own);
    this.#changedAt = this.#now();
    for (const channel of timeline.channels) {
      const id = channels.get(channel)!;
      // Granted since the list was read before: from that grant on, also if it was granted and revoked once more in between.
      if (!followed.has(channel))
        this.#gain(channel, { id, from: timeline.grantAfter(channel, version)?.id ?? id, before: undefined });
      followed.delete(channel);
    }
    this.#ended = [...followed];
  }

  /** Nothing is changed yet: a Redis that is away for a moment is asked again, and the reader sees nothing of it. */
  async #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    let until = this.#now() + READ_PATIENCE;
    for (;;) {
      const began = this.#now();
      try {
        return await ask();
      } catch (error) {
        if (!this.#options.hub.isAnswered) until = this.#now() + READ_PATIENCE;
        // Judged by when it was asked: an answer takes up to 2 s to be given up.
        if (this.#left || began > until) throw error;
        await wait(100);
        if (this.#left) throw error;
      }
    }
  }
}
