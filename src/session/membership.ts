import type { Rights, RightsReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, earlier, isAfter, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Additions } from '../reading/additions.ts';
import type { Channels } from '../reading/channels.ts';
import { type Pauses, persistently } from '../reading/persistently.ts';
import type { Wanted } from '../reading/wanted.ts';
import { ConstantChannels, type ConstantChannelsOptions } from './constant-channels.ts';
import { ListReader, NO_LIST } from './list-reader.ts';
import { owedAtFirst } from './owed-at-first.ts';
import { Timeline } from './timeline.ts';

/**
 * How long after a change of rights a plain PUBLISH from before it may still be recorded (ms). A revoked channel is followed for this
 * long, because such messages are still owed to the reader.
 */
const RECORD_PATIENCE = 10_000;

export interface MembershipOptions extends ConstantChannelsOptions {
  hub: Hub;
  backlog: RightsReader;
  logger: Logger;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain: (channel: string) => boolean;
  /** The most channels that the user may have; by default any number. */
  maxChannels?: number;
  /** Whether the channels on the user's list in the store are followed, too; by default `true`. */
  hasList?: boolean;
  /** How long to wait before a failed request is repeated. */
  pauses?: Pauses | undefined;
  /** The time (ms). */
  now?: () => number;
}

/** The reader of a membership: a session. */
export interface Member extends Reader {
  /** Called if the user has too many channels. The session ends then: following only some of them would lose messages in silence. */
  onTooMany?(channels: number): void;
}

/**
 * The channels that one reader follows: the user's own and those of the credential, which are followed to the end; those on the list of
 * the user; and for a while those that were on it.
 *
 * Invariant: every channel of `timeline.channels` is either among the additions, or the reader follows it and has read it from the place
 * at which it was granted. The timeline alone decides which messages are delivered, so following a channel for longer does no harm.
 *
 * The file is long because every change of the list is handled here: the invariant concerns the timeline, the additions, and the channels
 * that have ended, all at once.
 */
export class Membership implements Channels {
  // These are read with each message of each reader, so they are kept in the object itself.
  readonly own: string | undefined;
  /** Whether the messages on the user's own channel are for the client; `true` if there is none. */
  readonly isOwnWanted: boolean;
  readonly timeline = new Timeline();
  readonly #constant: ConstantChannels;
  readonly #reader: Member;
  readonly #additions: Additions;
  readonly #options: MembershipOptions;
  /** Channels that are still followed, but no longer on the list. */
  #ended: string[] = [];
  /** Whether the list has to be read, because messages did not carry all of its changes. */
  #isStale = false;
  /** When the last change of rights was received, or the list last read (ms). */
  #changedAt = Number.NEGATIVE_INFINITY;
  /** Whether `leave` has been called. */
  #left = false;
  readonly #list: ListReader;

  constructor(reader: Member, additions: Additions, options: MembershipOptions) {
    this.#reader = reader;
    this.#additions = additions;
    this.#options = options;
    this.#constant = new ConstantChannels(options);
    this.own = this.#constant.own;
    this.isOwnWanted = this.#constant.isOwnWanted;
    this.#list = new ListReader(options.backlog, this.hasList ? options.user : undefined);
  }

  /** Whether the store has a list of the user's channels that counts. */
  get hasList(): boolean {
    return this.#options.user !== undefined && (this.#options.hasList ?? true);
  }

  /** How many channels the user may follow, apart from the user's own. */
  get size(): number {
    return this.timeline.channels.length + this.#constant.size;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** What has to be read when a stream opens, for a reader that has everything up to `position`. `listed`: the list with which it opened. */
  owedAtFirst(position: Position, listed: Pick<Rights, 'channels' | 'version'>): Wanted[] {
    const constant = this.#constant.read.map((channel) => ({ channel, after: position }));
    return [...constant, ...owedAtFirst(this.timeline, [...this.#followed], position, listed)];
  }

  /** Whether every message that is received is for the client, until rights change. */
  get isQuiet(): boolean {
    return this.isOwnWanted && this.timeline.isQuiet;
  }

  allows(message: Message): boolean {
    if (message.channel === this.own) return this.isOwnWanted;
    return this.#constant.has(message.channel) || this.timeline.allows(message);
  }

  /** Whether the client may read what is published on the channel now, and has not left it out. */
  reads(channel: string): boolean {
    if (channel === this.own) return this.isOwnWanted;
    return this.#constant.has(channel) || this.timeline.channels.includes(channel);
  }

  /** The named channels that the client may not read at the moment. */
  get denied(): string[] {
    return this.#constant.hasAllNamed ? [] : this.#constant.missingIn(this.followed);
  }

  /** The same, and those that are still followed because messages from before their revocation may arrive. */
  get unlisted(): string[] {
    if (this.#constant.hasAllNamed) return [];
    return this.#constant.missingIn(new Set([...this.#constant.read, ...this.timeline.channels]));
  }

  owedOf(channel: string, position: Position): Wanted {
    return this.#constant.has(channel) ? { channel, after: position } : this.timeline.owedOf(channel, position);
  }

  get followed(): Set<string> {
    return new Set([...this.#constant.read, ...this.#followed]);
  }

  /** The channels that are followed because of the list. */
  get #followed(): Set<string> {
    return new Set([...this.timeline.channels, ...this.#ended]);
  }

  /** Marks the list as stale: it has to be read again. */
  expire(): void {
    this.#isStale = true;
  }

  /**
   * Follows the user's channel before it reads the list, so that a change that the list does not contain is received after it. Then
   * follows the channels on the list. If a change was received that does not continue the known list, the list is read once more, because
   * replayed messages have to be judged by all changes up to the seam. @throws SisyphusError `redis_unavailable`
   */
  async open(): Promise<Pick<Rights, 'channels' | 'version' | 'unsettled'>> {
    const { hub } = this.#options;
    await hub.follow(this.#reader, this.#constant.followed);
    let rights: Rights | undefined;
    do {
      this.#isStale = false;
      rights = await this.#read();
      if (!rights || this.#left) break;
      this.#take(rights);
      if (this.#left) break;
      this.#additions.clear();
      await hub.follow(this.#reader, this.timeline.channels);
    } while (this.#isStale && !this.#left);
    return rights ?? NO_LIST;
  }

  /**
   * Opens the membership of a client without a user, without waiting: no list has to be read, because the client names only public channels,
   * and the hub has to deliver all of them already.
   *
   * @returns whether they are followed; if not, nothing has happened
   */
  openAtOnce(): boolean {
    if (this.own !== undefined || !this.#constant.hasAllNamed) return false;
    void this.#options.hub.follow(this.#reader, this.#constant.followed);
    return true;
  }

  /** Called when a change of the list is received, with a message or as a note. Returns whether the reading has something to do. */
  changed({ before, now, changes }: RightsChange): boolean {
    if (!this.hasList || !isAfter(now, this.timeline.version)) return false;
    if (before !== this.timeline.version || !changes) {
      this.#isStale = true;
      return true;
    }
    this.#changedAt = this.#now();
    const followed = this.#followed;
    this.timeline.apply({ before, now, changes });
    if (this.#isTooLong(this.timeline.channels)) return false;
    if (changes.some(({ channel }) => !this.#isListed(channel))) this.#leaveOutOthers();
    for (const { channel, kind, place, was } of changes) {
      // If the list had the channel before, the change only has another place now: it concerns a reader only if it follows the channel.
      if (!this.#isListed(channel) || (was && !followed.has(channel))) continue;
      if (kind === 'granted')
        this.#additions.add(channel, { id: now, from: place.id, before: was, isHeard: followed.has(channel) });
      else if (!this.#ended.includes(channel)) this.#ended.push(channel);
      followed.add(channel);
    }
    return !this.#additions.isEmpty;
  }

  /** Called every second until `isSettled`. */
  sweep(holding: boolean): void {
    // Do not forget changes while messages are held: held messages still have to be judged by them.
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

  /** Reads the whole list, and follows the new channels on it. The caller reads the messages that were published there. */
  async reread(): Promise<Pick<Rights, 'unsettled'>> {
    this.#isStale = false;
    const rights = await this.#persistently(() => this.#read());
    if (!rights || this.#left) return { unsettled: false };
    this.#take(rights);
    if (this.#left) return rights;
    await this.#persistently(() => this.#additions.follow(this.#options.hub, this.#reader));
    return rights;
  }

  /** Leaves all channels, and aborts a request for the list. */
  leave(): void {
    this.#left = true;
    this.#list.end();
    this.#options.hub.leave(this.#reader, [...this.#constant.followed, ...this.timeline.channels, ...this.#ended]);
    this.timeline.channels = [];
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  /** The list from the store; `undefined` if the reader has left. */
  #read(): Promise<Rights | undefined> {
    return this.#list.read(this.timeline.version === BEGINNING ? undefined : this.timeline.channels.length);
  }

  /** Replaces the list by the one that was read. New channels on it become additions. */
  #take(rights: Rights): void {
    const { timeline } = this;
    const { version } = timeline;
    if (isAfter(version, rights.version)) {
      // A change that is newer than this list was received while the list was read.
      this.#isStale = true;
      return;
    }
    if (this.#isTooLong(rights.channels)) return;
    const followed = this.#followed;
    timeline.replace(rights);
    this.#leaveOutOthers();
    this.#changedAt = this.#now();
    const ended = new Set(followed);
    const sinceThen =
      version === BEGINNING ? [] : timeline.grantedAfter(version).filter((name) => this.#isListed(name));
    // A channel that was granted since the known version is read from its first grant on, even if it was revoked or granted again since.
    for (const channel of new Set([...timeline.channels, ...sinceThen])) {
      const id = rights.channels.get(channel) ?? rights.version;
      if (!followed.has(channel))
        this.#additions.add(channel, { id, from: timeline.grantAfter(channel, version)?.id ?? id });
      ended.add(channel);
    }
    this.#ended = [...ended].filter((channel) => !timeline.channels.includes(channel));
  }

  /** Whether these channels of the list are too many, together with those of the credential. If so, the session has been ended. */
  #isTooLong(listed: ReadonlyMap<string, unknown> | readonly string[]): boolean {
    const { maxChannels = Number.POSITIVE_INFINITY } = this.#options;
    // Names that are also in the credential count once, but only a long list is compared name by name.
    if (('size' in listed ? listed.size : listed.length) + this.#constant.size <= maxChannels) return false;
    const count = this.#constant.sizeWith('size' in listed ? listed.keys() : listed);
    if (count <= maxChannels) return false;
    this.#reader.onTooMany?.(count);
    return true;
  }

  /** Whether the list decides about the channel. */
  #isListed(channel: string): boolean {
    return !this.#constant.has(channel) && this.#constant.isNamed(channel);
  }

  #leaveOutOthers(): void {
    this.timeline.channels = this.timeline.channels.filter((channel) => this.#isListed(channel));
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#left, this.#options.pauses);
  }
}
