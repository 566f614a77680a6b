import type { Backlog, Rights } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import type { Logger } from '../logger.ts';
import { type Message, wasPublishedAfter } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { BEGINNING, comparePositions, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { Cuts } from './cuts.ts';
import { readReplay } from './replay.ts';
import type { Start } from './start.ts';

/** How long a plain PUBLISH on the user's channel may take to come back recorded before the list is read instead (ms). */
const RECORD_PATIENCE = 3000;
/** Messages held while the list of channels, or a backlog, is read. */
const MAX_HELD = 10_000;

type Held = Message | { channel: string; reason: ResetReason };

export interface SessionOptions {
  user: string;
  connection: Connection;
  hub: Hub;
  backlog: Backlog;
  logger: Logger;
  recordsPlain: (channel: string) => boolean;
  maxBuffer: number;
  now?: () => number;
}

/**
 * One client's reading: subscribe, replay, cut over, live.
 *
 * While `#held` is an array the session is holding: it opens, or the user's channels are about to change, and what is
 * heard waits there. Without it the session is live, and what is heard goes straight to the connection.
 *
 * Invariant: what was given to the connection is every message that the user may see with an id up to `#position`,
 * each once and in the order of ids, or covered by a reset. A change of rights is applied before anything that was
 * published after it is given to the connection.
 */
export class Session implements Reader {
  readonly user: string;
  readonly connection: Connection;
  readonly #options: SessionOptions;
  readonly #own: string;
  /** Without the user's own channel. */
  #channels: string[] = [];
  /** The version of the user's list that `#channels` is. */
  #version = BEGINNING;
  #position = BEGINNING;
  #held: Held[] | undefined = [];
  #heldBytes = 0;
  #draining = false;
  /** Plain PUBLISHes on the user's channel that have not come back recorded: rights may change with them. */
  #expected: Buffer[] = [];
  #expectedSince = 0;
  /** Rights that began or ended a moment ago. */
  readonly #cuts = new Cuts();
  /** The list has to be read, for a reason that no message carries. */
  #stale = false;
  #opened = false;
  /** What was missed has been given: what is held may follow. */
  #begun = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.user = options.user;
    this.connection = options.connection;
    this.#own = channelOfUser(options.user);
  }

  /** Whether the first frame has been sent. */
  get opened(): boolean {
    return this.#opened;
  }

  get version(): Position {
    return this.#version;
  }

  /** @throws SisyphusError `redis_unavailable` within 2 s; the caller closes the session then */
  async open(start: Start): Promise<void> {
    const { hub } = this.#options;
    // What the client has until it is told otherwise: an `error` must not lose what it has not read.
    if (start.kind === 'after') this.#position = start.position;
    await hub.follow(this, [this.#own]);
    const rights = await this.#settleChannels();
    if (this.connection.closed) return;
    // In one step with the following read of the hub's position: the seam.
    const seam = hub.position;
    const reading = readReplay(start, this.#own, rights, this.#options);
    await this.#begin(start, seam, reading);
    this.#begun = true;
    await this.#drain();
  }

  receive(message: Message): void {
    if (this.#held) {
      this.#hold(message, message.payload.length);
      if (this.#expected.length > 0 && message.channel === this.#own) this.#confirm(message);
      return;
    }
    if (message.rights && message.channel === this.#own && this.#changes(message)) {
      this.#held = [];
      this.#hold(message, message.payload.length);
      this.#kick();
      return;
    }
    this.#give(message);
  }

  plain(payload: Buffer): void {
    this.#held ??= [];
    if (!this.#options.recordsPlain(this.#own)) {
      this.#stale = true;
      this.#kick();
      return;
    }
    if (this.#expected.push(payload) === 1) this.#expectedSince = this.#now();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#held) this.#hold({ channel, reason }, 0);
    else this.connection.reset(channel, reason, this.#position);
  }

  /** The list as it was read for another reason: after a reconnect, or now and then. */
  refresh(): void {
    this.#held ??= [];
    this.#stale = true;
    this.#kick();
  }

  /** Called every second: what should have come back recorded by now never will. */
  sweep(): void {
    if (!this.#cuts.isEmpty) this.#end(this.#cuts.expire(this.#now()));
    if (this.#expected.length === 0 || this.#now() - this.#expectedSince < RECORD_PATIENCE) return;
    this.#options.logger.warn({ event: 'record_missing', user: this.user });
    this.#expected = [];
    this.refresh();
  }

  /** Keeps the connection alive, and moves the client's position to what it has certainly not missed. */
  noop(): void {
    const { hub } = this.#options;
    if (!this.#opened) return;
    if (!this.#held && hub.isOpen) this.#position = laterOf(this.#position, hub.position);
    this.connection.noop(this.#position);
  }

  close(reason: CloseReason): void {
    this.#options.hub.leave(this, [this.#own, ...this.#channels, ...this.#cuts.ending]);
    this.#held = [];
    this.#channels = [];
    this.connection.close(reason, this.#position === BEGINNING ? this.#options.hub.position : this.#position);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /**
   * Reads the list and follows its channels, until nothing has changed meanwhile: what was published after a change
   * that is not known yet would be replayed.
   */
  async #settleChannels(): Promise<Pick<Rights, 'channels' | 'after'>> {
    const { hub, backlog } = this.#options;
    for (;;) {
      const heard = this.#expected.length;
      const [rights] = await backlog.rights([{ user: this.user }]);
      // It has gone, and left what it followed: what it would follow now, nobody would ever leave.
      if (this.connection.closed) return { channels: new Map(), after: new Map() };
      this.#report(rights);
      const channels = new Map(rights?.channels);
      channels.delete(this.#own);
      hub.leave(
        this,
        this.#channels.filter((channel) => !channels.has(channel)),
      );
      this.#channels = [...channels.keys()];
      this.#version = laterOf(this.#version, rights?.version ?? BEGINNING);
      await hub.follow(this, this.#channels);
      const changed = this.#held?.find((held) => isMessage(held) && held.channel === this.#own && this.#changes(held));
      if (this.connection.closed || (!changed && this.#expected.length <= heard)) {
        return { channels, after: rights?.after ?? new Map() };
      }
    }
  }

  /** The first frame, what must be announced, and what was missed. */
  async #begin(start: Start, seam: Position, reading: ReturnType<typeof readReplay>): Promise<void> {
    const { connection } = this;
    if (start.kind === 'after' && !isAfter(start.position, seam)) {
      // Before the backlog is read: the client knows at once that it is connected.
      this.#position = start.position;
      this.#openConnection();
    }
    const { position, resets, messages } = await reading;
    this.#position = position;
    if (!this.#opened) this.#openConnection();
    for (const [i, { channel, reason }] of resets.entries()) {
      // Where nothing follows, the last one says so: or the client would be told again of a gap that it knows.
      const last = messages.length === 0 && i === resets.length - 1;
      connection.reset(channel, reason, last ? seam : position);
    }
    for (const message of messages) {
      this.#give(message);
      await connection.drained();
      if (connection.closed) return;
    }
    this.#position = laterOf(this.#position, seam);
  }

  #openConnection(): void {
    this.#opened = true;
    this.connection.open('ok', this.#position);
  }

  #hold(held: Held, bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#held!.push(held) > MAX_HELD || this.#heldBytes > this.#options.maxBuffer) {
      // It comes back with its position and finds everything in the backlog.
      this.connection.close('slow', this.#position);
    }
  }

  #give(message: Message): void {
    if (!isAfter(message.id, this.#position)) return;
    if (!this.#cuts.isEmpty && !this.#cuts.allow(message)) return;
    this.#position = message.id;
    this.connection.message(message);
  }

  #confirm(message: Message): void {
    if (message.after === undefined) return;
    const at = this.#expected.findIndex((payload) => message.oversize || payload.equals(message.payload));
    if (at < 0) return;
    this.#expected.splice(0, at + 1);
    this.#expectedSince = this.#now();
    this.#kick();
  }

  /** Whether this message came with a change of the list that is not applied yet. */
  #changes(message: Message): boolean {
    return message.rights !== undefined && isAfter(message.rights.now, this.#version);
  }

  #kick(): void {
    if (this.#draining || !this.#begun) return;
    this.#drain().catch((error: Error) => {
      this.#options.logger.warn({ event: 'session_failed', user: this.user, reason: error.message });
      this.connection.close('redis', this.#position);
    });
  }

  /** Applies what changes the rights, gives what was held, and goes over to live. */
  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.#held && !this.connection.closed) {
        const change = this.#held.find((held) => isMessage(held) && held.channel === this.#own && this.#changes(held));
        // What changed the list may be a plain PUBLISH that is not recorded yet: its record tells its place.
        if (this.#expected.length > 0 && !this.#stale) return;
        if (this.#stale) await this.#reread();
        else if (change) await this.#apply(change as Message);
        else if (this.#held.length === 0) this.#held = undefined;
        else await this.#giveHeld(this.#held);
      }
    } finally {
      this.#draining = false;
    }
  }

  async #giveHeld(given: Held[]): Promise<void> {
    this.#held = [];
    this.#heldBytes = 0;
    for (const held of given) {
      if (isMessage(held)) this.#give(held);
      else this.connection.reset(held.channel, held.reason, this.#position);
    }
    await this.connection.drained();
  }

  /** The change that came with a message: before anything is given that was published after it. */
  async #apply(change: Message): Promise<void> {
    const { before, now, added, removed } = change.rights!;
    if (before !== this.#version || !added || !removed) {
      await this.#reread(change);
      return;
    }
    this.#version = now;
    const mark = this.#causeOf(change);
    for (const channel of removed) this.#cut(channel, 'revoked', mark);
    for (const channel of added) this.#cut(channel, 'granted', mark);
    await this.#gain(new Map(added.map((channel) => [channel, mark.after ?? mark.id])));
  }

  /**
   * The list is compared when a message is recorded: a plain PUBLISH that was made before this one and is recorded behind it
   * may be what the change was announced with. Revoked means revoked: the earliest counts.
   */
  #causeOf(change: Message): Message {
    let cause = change;
    for (const held of this.#held ?? []) {
      if (isMessage(held) && held.channel === this.#own && wasPublishedAfter(cause, held)) {
        if (isAfter(held.id, change.id)) cause = held;
      }
    }
    return cause;
  }

  #cut(channel: string, kind: 'granted' | 'revoked', mark: Message): void {
    if (channel === this.#own) return;
    this.#cuts.add({ channel, kind, mark, until: this.#now() + RECORD_PATIENCE });
    if (kind === 'revoked') this.#channels = this.#channels.filter((other) => other !== channel);
  }

  /** Reads the whole list and makes it so. */
  async #reread(change?: Message): Promise<void> {
    this.#stale = false;
    const [rights] = await this.#options.backlog.rights([{ user: this.user }]);
    if (!rights) return;
    this.#report(rights);
    const { channels } = rights;
    const lost = this.#channels.filter((channel) => !channels.has(channel));
    if (change) for (const channel of lost) this.#cut(channel, 'revoked', this.#causeOf(change));
    else this.#lose(lost);
    this.#version = laterOf(rights.version, change?.rights?.now ?? BEGINNING);
    // Granted again without a message of its own: from when is not known, so nothing of it is judged.
    this.#cuts.forget(new Set([...channels.keys()].filter((channel) => !this.#channels.includes(channel))));
    // The grant itself may still be held, and not given: what follows it has a later id.
    await this.#gain(new Map([...channels].map(([channel, granted]) => [channel, laterOf(granted, this.#position)])));
  }

  /** Nothing of these channels is given any more, and nothing that is held. */
  #lose(channels: string[]): void {
    if (channels.length === 0) return;
    const lost = new Set(channels);
    this.#cuts.forget(lost);
    this.#channels = this.#channels.filter((channel) => !lost.has(channel));
    this.#held = this.#held?.filter(({ channel }) => !lost.has(channel));
    this.#options.hub.leave(this, lost);
  }

  /** What was published on these channels before they were revoked has come by now. */
  #end(channels: string[]): void {
    if (channels.length > 0) this.#options.hub.leave(this, channels);
  }

  /** Follows these channels, from a position each, and puts what was published there in its place among what is held. */
  async #gain(channels: Map<string, Position>): Promise<void> {
    const { hub, backlog } = this.#options;
    const gained = [...channels].filter(([channel]) => channel !== this.#own && !this.#channels.includes(channel));
    if (gained.length === 0) return;
    const names = gained.map(([channel]) => channel);
    this.#channels = [...this.#channels, ...names];
    await hub.follow(this, names);
    if (this.connection.closed) {
      hub.leave(this, names);
      return;
    }
    const seam = hub.position;
    // What the hub has heard itself is not looked for in the backlog, where what comes live may be trimmed already.
    const recent = gained.map(([channel, after]) => hub.recent(channel, after));
    const unknown = gained.filter((_, i) => recent[i] === undefined);
    const slices = await backlog.read(unknown.map(([channel, after]) => ({ channel, after, upTo: seam })));
    const before = this.#held ?? [];
    const seen = new Set(before.filter(isMessage).map(({ id }) => id));
    const heard = recent.flatMap((messages) => messages ?? []).filter(({ id }) => !isAfter(id, seam));
    const found = [...heard, ...slices.flatMap(({ messages }) => messages)].filter(({ id }) => !seen.has(id));
    const resets = slices.flatMap(({ channel, gap }) => (gap ? [{ channel, reason: gap }] : []));
    this.#held = [...resets, ...inOrder([...before, ...found])];
  }

  #report(rights: Rights | undefined): void {
    if (rights?.problem) {
      this.#options.logger.warn({ event: 'list_unreadable', user: this.user, reason: rights.problem });
    }
  }
}

function isMessage(held: Held): held is Message {
  return 'id' in held;
}

/** Sorts messages by id; resets stay in front of what they stood in front of. */
function inOrder(held: Held[]): Held[] {
  const messages = held.filter(isMessage).sort((a, b) => comparePositions(a.id, b.id));
  return [...held.filter((one) => !isMessage(one)), ...messages];
}
