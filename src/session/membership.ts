import type { Rights, RightsReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, earlier, isAfter, laterOf, type Position } from '../message/position.ts';
import type { RightsChange } from '../message/rights-change.ts';
import type { Additions } from '../reading/additions.ts';
import type { Channels } from '../reading/channels.ts';
import { type Pauses, persistently } from '../reading/persistently.ts';
import type { Wanted } from '../reading/read-channels.ts';
import { Timeline } from './timeline.ts';

/**
 * How long after a change of rights a plain PUBLISH from before it may still be recorded (ms). A revoked channel is followed for this
 * long, because such messages are still owed to the reader.
 */
const RECORD_PATIENCE = 10_000;

export interface MembershipOptions {
  user: string;
  hub: Hub;
  backlog: RightsReader;
  logger: Logger;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain: (channel: string) => boolean;
  /** Channels that the user's credential allows, for as long as the session lasts. */
  granted?: readonly string[];
  /** Whether the channels on the user's list in the store are followed, too; by default `true`. */
  hasList?: boolean;
  /** How long to wait before a failed request is repeated. */
  pauses?: Pauses | undefined;
  /** The time (ms). */
  now?: () => number;
}

/**
 * The channels that one reader follows: the user's own and those of the credential, which are followed to the end; those on the list of
 * the user; and for a while those that were on it.
 *
 * Invariant: every channel of `timeline.channels` is either among the additions, or the reader follows it and has read it from the place
 * at which it was granted. The timeline alone decides which messages are delivered, so following a channel for longer does no harm.
 */
export class Membership implements Channels {
  readonly own: string;
  readonly timeline = new Timeline();
  /** The channels of the credential, if it has any. */
  readonly #granted: ReadonlySet<string> | undefined;
  readonly #reader: Reader;
  readonly #additions: Additions;
  readonly #options: MembershipOptions;
  /** Channels that are still followed, but no longer on the list. */
  #ended: string[] = [];
  /** Whether the list has to be read, because messages did not carry all of its changes. */
  #isStale = false;
  /** When the last change of rights was received, or the list last read (ms). */
  #changedAt = 0;
  /** Whether `leave` has been called. */
  #left = false;
  /** Aborts the request for the list. */
  #reading: AbortController | undefined;

  constructor(reader: Reader, additions: Additions, options: MembershipOptions) {
    this.#reader = reader;
    this.#additions = additions;
    this.#options = options;
    this.own = channelOfUser(options.user);
    const { granted = [] } = options;
    if (granted.length > 0) this.#granted = new Set(granted.filter((channel) => channel !== this.own));
  }

  /** Whether the store has a list of the user's channels that counts. */
  get hasList(): boolean {
    return this.#options.hasList ?? true;
  }

  /** How many channels the user may follow, apart from the user's own. */
  get size(): number {
    return this.timeline.channels.length + (this.#granted?.size ?? 0);
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /**
   * What has to be read when a stream opens, for a reader that has everything up to `position`. `listed`: the list with which the stream
   * opened. Of a channel that is not on it, only messages after a later grant are owed, even if the user once had the right.
   */
  owedAtFirst(position: Position, listed: Pick<Rights, 'channels' | 'version'>): Wanted[] {
    const { timeline } = this;
    const wanted: Wanted[] = this.#constant.map((channel) => ({ channel, after: position }));
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

  /** Whether every message of the followed channels is for the user, until rights change. */
  get isQuiet(): boolean {
    return this.timeline.isQuiet;
  }

  allows(message: Message): boolean {
    return this.#isConstant(message.channel) || this.timeline.allows(message);
  }

  startOf(channel: string, position: Position): Position {
    return this.#isConstant(channel) ? position : this.timeline.startOf(channel, position);
  }

  get followed(): Set<string> {
    return new Set([...this.#constant, ...this.#followed]);
  }

  /** The channels that are followed to the end, whatever is on the list. */
  get #constant(): string[] {
    return [this.own, ...(this.#granted ?? [])];
  }

  #isConstant(channel: string): boolean {
    return channel === this.own || (this.#granted?.has(channel) ?? false);
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
    await hub.follow(this.#reader, this.#constant);
    let rights: Rights | undefined;
    do {
      this.#isStale = false;
      rights = await this.#read();
      if (!rights || this.#left) break;
      this.#take(rights);
      this.#additions.clear();
      await hub.follow(this.#reader, this.timeline.channels);
    } while (this.#isStale && !this.#left);
    return rights ?? NO_LIST;
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
    if (changes.some(({ channel }) => this.#isConstant(channel))) this.#leaveOutConstant();
    for (const { channel, kind, place, was } of changes) {
      // A change that only moved to another place does not concern this reader if it does not follow the channel.
      if (this.#isConstant(channel) || (was && !followed.has(channel))) continue;
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
    await this.#persistently(() => this.#additions.follow(this.#options.hub, this.#reader));
    return rights;
  }

  /** Leaves all channels, and aborts a request for the list. */
  leave(): void {
    this.#left = true;
    this.#reading?.abort();
    this.#options.hub.leave(this.#reader, [...this.#constant, ...this.timeline.channels, ...this.#ended]);
    this.timeline.channels = [];
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** The list from the store; `undefined` if the reader has left. */
  async #read(): Promise<Rights | undefined> {
    const { user, backlog } = this.#options;
    if (!this.hasList) return NO_LIST;
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

  /** Replaces the list by the one that was read. New channels on it become additions. */
  #take(rights: Rights): void {
    const { timeline } = this;
    const { version } = timeline;
    if (isAfter(version, rights.version)) {
      // A change that is newer than this list was received while the list was read.
      this.#isStale = true;
      return;
    }
    const followed = this.#followed;
    timeline.replace(rights);
    this.#leaveOutConstant();
    this.#changedAt = this.#now();
    const ended = new Set(followed);
    const sinceThen =
      version === BEGINNING ? [] : timeline.grantedAfter(version).filter((name) => !this.#isConstant(name));
    // A channel that was granted since the known version is read from its first grant on, even if it was revoked or granted again since.
    for (const channel of new Set([...timeline.channels, ...sinceThen])) {
      const id = rights.channels.get(channel) ?? rights.version;
      if (!followed.has(channel))
        this.#additions.add(channel, { id, from: timeline.grantAfter(channel, version)?.id ?? id });
      ended.add(channel);
    }
    this.#ended = [...ended].filter((channel) => !timeline.channels.includes(channel));
  }

  #leaveOutConstant(): void {
    this.timeline.channels = this.timeline.channels.filter((channel) => !this.#isConstant(channel));
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#left, this.#options.pauses);
  }
}

const NO_LIST: Rights = { version: BEGINNING, channels: new Map(), changes: [], unsettled: false, problem: undefined };
