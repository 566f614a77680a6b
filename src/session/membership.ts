import { setTimeout as wait } from 'node:timers/promises';
import type { Backlog, ReadRequest, Rights, Slice } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import { type Message, type PublishedAt, wasPublishedAfter } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import { Cuts } from './cuts.ts';
import type { Held, Reset } from './held.ts';
import { gapAfter } from './replay.ts';

/** How long a plain PUBLISH on the user's channel may take to come back recorded before the list is read instead (ms). */
const RECORD_PATIENCE = 3000;
/**
 * How long an open stream is refused what a Redis that answers others should give it, before its client has to come back
 * (ms). A Redis that answers nobody is waited for: whether that is too long is the same for all streams (the grace).
 */
const READ_PATIENCE = 3000;

/** The position a channel was granted at, and where in Redis's order what announced it was published. */
interface Grant {
  id: Position;
  publishedAt: PublishedAt;
}

export interface MembershipOptions {
  user: string;
  hub: Hub;
  backlog: Backlog;
  logger: Logger;
  recordsPlain: (channel: string) => boolean;
  now?: () => number;
}

/**
 * The channels that one reader follows: the user's own, and those on the list of the user, as it changes.
 *
 * Every message on the user's channel carries how the list differs from what it was with the message before. So a change is
 * applied at the message's place in Redis's order, without reading the list; it is read where that cannot tell.
 *
 * A long file: whatever is here changes the channels and the version that they belong to, which must fit each other.
 */
export class Membership {
  readonly own: string;
  /** Rights that began or ended a moment ago. */
  readonly cuts = new Cuts();
  readonly #reader: Reader;
  readonly #options: MembershipOptions;
  /** Without the user's own channel. */
  #channels: string[] = [];
  /** The version of the user's list that `#channels` is. */
  #version = BEGINNING;
  /** Plain PUBLISHes on the user's channel that have not come back recorded: rights may change with them. */
  #expected: Buffer[] = [];
  #expectedSince = 0;
  #left = false;

  constructor(reader: Reader, options: MembershipOptions) {
    this.#reader = reader;
    this.#options = options;
    this.own = channelOfUser(options.user);
  }

  get version(): Position {
    return this.#version;
  }

  /** Whether a plain PUBLISH was heard that tells its place, and what changed with it, only when it is recorded. */
  get isExpecting(): boolean {
    return this.#expected.length > 0;
  }

  /** Whether `sweep` has nothing to do. */
  get isSettled(): boolean {
    return this.cuts.isEmpty && this.#expected.length === 0;
  }

  /** Whether this message came with a change of the list that is not applied yet. */
  isChange(message: Message): boolean {
    return message.rights !== undefined && message.channel === this.own && isAfter(message.rights.now, this.#version);
  }

  /**
   * Follows the user's channel, then the channels on the list, until nothing has changed meanwhile: what was published
   * after a change that is not known yet would be replayed. @throws SisyphusError `redis_unavailable`
   */
  async settle(held: () => Held | undefined): Promise<Pick<Rights, 'channels' | 'announced'>> {
    const { hub } = this.#options;
    await hub.follow(this.#reader, [this.own]);
    for (;;) {
      const expected = this.#expected.length;
      const rights = await this.#read();
      const channels = new Map(rights?.channels);
      channels.delete(this.own);
      // It has gone, and left what it followed: what it would follow now, nobody would ever leave.
      if (this.#left) return { channels, announced: new Map() };
      this.#lose(this.#channels.filter((channel) => !channels.has(channel)));
      this.#channels = [...channels.keys()];
      this.#version = laterOf(this.#version, rights?.version ?? BEGINNING);
      await hub.follow(this.#reader, this.#channels);
      const changed = held()
        ?.messages()
        .some((message) => this.isChange(message));
      if (this.#left || (!changed && this.#expected.length <= expected)) {
        return { channels, announced: rights?.announced ?? new Map() };
      }
    }
  }

  /** A plain PUBLISH was heard on the user's channel. Answers whether its record will tell; else the list has to be read. */
  expect(payload: Buffer): boolean {
    if (!this.#options.recordsPlain(this.own)) return false;
    if (this.#expected.push(payload) === 1) this.#expectedSince = this.#now();
    return true;
  }

  /** Whether this is the record of what was expected. */
  confirm(message: Message): boolean {
    if (this.#expected.length === 0 || message.channel !== this.own || message.after === undefined) return false;
    const at = this.#expected.findIndex((payload) => message.oversize || payload.equals(message.payload));
    if (at < 0) return false;
    this.#expected.splice(0, at + 1);
    this.#expectedSince = this.#now();
    return true;
  }

  /** What was expected may never come. Answers whether anything was. */
  expectNothing(): boolean {
    return this.#expected.splice(0).length > 0;
  }

  /** Called every second until `isSettled`. Answers whether something that was expected will never come, and the list has to be read. */
  sweep(holding: boolean): boolean {
    // What is held was heard before, and is judged when it is given.
    if (!holding && !this.cuts.isEmpty) this.#options.hub.leave(this.#reader, this.cuts.expire(this.#now()));
    if (this.#expected.length === 0 || this.#now() - this.#expectedSince < RECORD_PATIENCE) return false;
    this.#options.logger.warn({ event: 'record_missing', user: this.#options.user });
    this.#expected = [];
    return true;
  }

  /** The change that came with a message: before anything is given that was published after it. */
  async apply(change: Message, held: Held, position: Position): Promise<void> {
    const { before, now, added, removed, atomic } = change.rights!;
    const isItsOwn = atomic && before === this.#version;
    if (!isItsOwn && this.#mayBeOfAnother(change)) await this.#awaitRecords();
    if (before !== this.#version || !added || !removed) {
      await this.reread(held, position, change);
      return;
    }
    this.#version = now;
    const grants = new Map<string, Grant>();
    for (const channel of removed) this.#cut(channel, 'revoked', this.#causeOf(change, channel, held));
    for (const channel of added) {
      const cause = this.#causeOf(change, channel, held);
      this.#cut(channel, 'granted', cause);
      grants.set(channel, { id: cause.id, publishedAt: cause });
    }
    await this.#gain(grants, held, position, change);
  }

  /** Reads the whole list and makes it so. `position`: what the client has; what is gained is given from there on. */
  async reread(held: Held, position: Position, change?: Message): Promise<void> {
    const rights = await this.#persistently(() => this.#read());
    if (!rights || this.#left) return;
    const { channels } = rights;
    const lost = this.#channels.filter((channel) => !channels.has(channel));
    if (change) for (const channel of lost) this.#cut(channel, 'revoked', this.#causeOf(change, channel, held));
    else this.#lose(lost, held);
    this.#version = laterOf(rights.version, change?.rights?.now ?? BEGINNING);
    // Granted again without a message of its own: from when is not known, so nothing of it is judged.
    this.cuts.forget(new Set([...channels.keys()].filter((channel) => !this.#channels.includes(channel))));
    const grants = [...channels].map(([channel, id]): [string, Grant] => {
      const cause = change && this.#causeOf(change, channel, held);
      if (cause && isAfter(id, cause.after ?? cause.id) && !isAfter(id, cause.id)) {
        return [channel, { id: cause.id, publishedAt: cause }];
      }
      return [channel, { id, publishedAt: rights.announced.get(channel) ?? { id, after: undefined } }];
    });
    await this.#gain(new Map(grants), held, position, change);
  }

  /** Reads backlogs for a stream that is open. */
  async read(requests: ReadRequest[]): Promise<Slice[]> {
    return this.#persistently(() => this.#options.backlog.read(requests));
  }

  /** Hears nothing any more. */
  leave(): void {
    this.#left = true;
    this.#options.hub.leave(this.#reader, [this.own, ...this.#channels, ...this.cuts.ending]);
    this.#channels = [];
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  async #read(): Promise<Rights | undefined> {
    const { backlog, user, logger } = this.#options;
    const [rights] = await backlog.rights([{ user }]);
    if (rights?.problem) logger.warn({ event: 'list_unreadable', user, reason: rights.problem });
    return rights;
  }

  /** Whether this may be the change of a plain PUBLISH which is not recorded yet, and which the hub has not heard. */
  #mayBeOfAnother(change: Message): boolean {
    if (change.after !== undefined || !this.#options.recordsPlain(this.own)) return false;
    return this.#now() - this.#options.hub.healedAt < RECORD_PATIENCE;
  }

  /** Until what was published with the changes of the list that are known by now is recorded, and heard. */
  async #awaitRecords(): Promise<void> {
    await this.#persistently(async () => {
      await this.#read();
      await this.#options.hub.refresh();
    });
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
        // What it followed from here on, nobody would ever leave.
        if (this.#left) throw error;
      }
    }
  }

  /**
   * The list is compared when a message is recorded: a plain PUBLISH that was made before this one and is recorded behind
   * it may be what the change was announced with. Revoked means revoked: the earliest counts. What is said to have been
   * changed with this very message was changed with no other.
   */
  #causeOf(change: Message, channel: string, held: Held): Message {
    const { atomic, added, removed } = change.rights!;
    if (atomic && (added?.includes(channel) || removed?.includes(channel))) return change;
    let cause = change;
    for (const message of held.messages()) {
      if (message.channel !== this.own || !isAfter(message.id, change.id)) continue;
      if (wasPublishedAfter(cause, message)) cause = message;
    }
    return cause;
  }

  #cut(channel: string, kind: 'granted' | 'revoked', mark: Message): void {
    if (channel === this.own) return;
    this.cuts.add({ channel, kind, mark, until: this.#now() + RECORD_PATIENCE });
    if (kind === 'revoked') this.#channels = this.#channels.filter((other) => other !== channel);
  }

  /** Nothing of these channels is given any more, and nothing that is held. */
  #lose(channels: string[], held?: Held): void {
    if (channels.length === 0) return;
    const lost = new Set(channels);
    this.cuts.forget(lost);
    this.#channels = this.#channels.filter((channel) => !lost.has(channel));
    held?.drop(lost);
    this.#options.hub.leave(this.#reader, lost);
  }

  /**
   * Follows these channels, from where each was granted, or from the reader's position where that was before it; puts what
   * was published there in its place among what is held.
   */
  async #gain(grants: Map<string, Grant>, held: Held, position: Position, behind?: Message): Promise<void> {
    const { hub, backlog } = this.#options;
    const gained = [...grants]
      .filter(([channel]) => channel !== this.own && !this.#channels.includes(channel))
      .map(
        ([channel, { id, publishedAt }]) =>
          [channel, isAfter(id, position) ? (publishedAt.after ?? id) : position] as const,
      );
    if (gained.length === 0) return;
    const names = gained.map(([channel]) => channel);
    // Of these nobody has told the reader; of what comes while it follows, the hub does.
    const { gaps } = hub;
    this.#channels = [...this.#channels, ...names];
    await this.#persistently(() => hub.follow(this.#reader, names));
    if (this.#left) {
      hub.leave(this.#reader, names);
      return;
    }
    const seam = hub.position;
    // What the hub has heard itself is not looked for in the backlog, where what comes live may be trimmed already.
    const recent = gained.map(([channel, after]) => hub.recent(channel, after));
    const unknown = gained.filter((_, i) => recent[i] === undefined);
    const reads = unknown.map(([channel, after]) => ({ channel, after, upTo: seam }));
    const slices = await this.#persistently(() => backlog.read(reads));
    const heard = recent.flatMap((messages) => messages ?? []).filter(({ id }) => !isAfter(id, seam));
    const found = [...heard, ...slices.flatMap(({ messages }) => messages)].filter((message) => {
      const grant = grants.get(message.channel)!;
      return !isAfter(grant.id, position) || wasPublishedAfter(message, grant.publishedAt);
    });
    const resets = slices.flatMap(({ channel, gap, messages }, i): Reset[] => {
      // Granted, revoked and granted again: what is gone from the backlog by now may be held since the first time.
      const head = hub.subscription(channel)?.head;
      const isHeld = head !== undefined && held.hasAll(channel, messages, reads[i]!.after, head);
      return gap && !isHeld ? [{ channel, reason: gap }] : [];
    });
    for (const [channel, after] of gained) {
      const gap = gapAfter(gaps, channel, after, this.#options.recordsPlain(channel));
      if (gap && !resets.some((reset) => reset.channel === channel)) resets.push({ channel, reason: gap.reason });
    }
    const overtaken = found.filter(({ id }) => !isAfter(id, position));
    for (const channel of new Set(overtaken.map((message) => message.channel))) {
      if (!resets.some((reset) => reset.channel === channel)) resets.push({ channel, reason: 'overtaken' });
    }
    held.merge(resets, found, behind);
  }
}
