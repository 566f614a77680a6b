import type { Backlog, ReadRequest } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import { isMessage, type Message } from '../message/message.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { Additions, follow, insertAdded, readAdded } from './additions.ts';
import { Gate, type Reset } from './gate.ts';
import type { MessageFilter } from './message-filter.ts';
import { persistently } from './persistently.ts';
import type { ChannelPage, Wanted } from './read-channels.ts';
import { openMissed, openReplay, type Replay, type ReplayOptions } from './replay.ts';
import { positionOf, type Start } from './start.ts';

/** The channels that a reading follows, and what its reader may have of them. */
export interface Channels extends MessageFilter {
  /** Each once. */
  readonly followed: Iterable<string>;
  /** Nothing between `position` and this is for the reader: from here on the channel has to be read. */
  startOf(channel: string, position: Position): Position;
  /** They have to be looked up before anything more is given. */
  readonly isStale: boolean;
}

/** What was heard and has to come back before anything behind it is given; counted from the first one on. */
export interface Barrier {
  readonly isEmpty: boolean;
  /** How many there have been. */
  readonly count: number;
  /** Whether the first so many have come back. */
  areSettled(count: number): boolean;
}

const NO_BARRIER: Barrier = { isEmpty: true, count: 0, areSettled: () => true };

export interface ReadingOptions {
  hub: Hub;
  backlog: Pick<Backlog, 'open'>;
  connection: Connection;
  recordsPlain: (channel: string) => boolean;
  /** Bytes of messages that are held, before they are dropped and read again. */
  maxBuffer: number;
  channels: Channels;
  /** Looks the channels up. */
  renew: () => Promise<void>;
  /** Who hears what the hub says, and passes it on; the reading itself unless told otherwise. */
  reader?: Reader;
  /** Called when it begins to hold. */
  onHold: () => void;
  /** Called when the first frame has been sent. */
  onOpen: () => void;
  /** Called where what is held cannot be given. */
  onFailure: (error: Error) => void;
}

/** How a reading is opened. */
export interface Opening {
  /** Settles when the hub hears the channels. */
  follow: () => Promise<void>;
  /** Settles when everything up to now can be filtered. */
  settle: () => Promise<void>;
  /** What a reader that has everything up to this position is owed. */
  owedAfter: (position: Position) => Wanted[];
}

/**
 * What one client reads: subscribe, replay, cut over, live; whichever channels they are, and whoever may read them.
 *
 * While there is a `#gate` the reading holds what it hears: it opens, reads a backlog, looks its channels up, or waits at its barrier.
 * Without it the reading is live, and what is heard goes straight to the connection.
 *
 * Invariant: what was given to the connection is every message with an id up to `#position` that its channels allow, each once
 * and in the order of ids, or covered by a reset. Position and gate are moved here alone.
 */
export class Reading implements Reader {
  /** To be replaced by whoever has something to wait for. */
  barrier = NO_BARRIER;
  readonly additions: Additions;
  readonly #options: ReadingOptions;
  readonly #connection: Connection;
  #position = BEGINNING;
  #gate: Gate | undefined;
  #isDraining = false;
  #isHeld = false;
  #isOpened = false;
  /** What was missed has been given: what is held may follow. */
  #hasBegun = false;
  /** Withdraws what is being read. */
  #leaving: AbortController | undefined;

  constructor(options: ReadingOptions, additions = new Additions()) {
    this.#options = options;
    this.#connection = options.connection;
    this.additions = additions;
    this.#gate = new Gate(options.maxBuffer);
  }

  /** Whether the first frame has been sent. */
  get isOpened(): boolean {
    return this.#isOpened;
  }

  get isHolding(): boolean {
    return this.#gate !== undefined;
  }

  /** @throws SisyphusError `redis_unavailable` within 2 s; the caller closes the reading then */
  async open(start: Start, { follow, settle, owedAfter }: Opening): Promise<void> {
    const { hub } = this.#options;
    // What the client has until it is told otherwise: an `error` must not lose what it has not read.
    this.#position = positionOf(start, hub.position);
    await follow();
    // Another gateway may have been further than this one has heard: then it is no position from the future.
    if (start.kind === 'after' && isAfter(start.position, hub.position)) await hub.refresh();
    if (this.#connection.closed) return;
    const seam = hub.position;
    if (start.kind === 'now' || (start.kind === 'after' && !isAfter(start.position, seam))) {
      // Before anything is read: the client knows at once that it is connected.
      this.#position = positionOf(start, seam);
      this.#openConnection();
    }
    await settle();
    if (this.#connection.closed) return;
    if (start.kind === 'now') this.additions.haveRead(seam);
    else await this.#replay(seam, (options) => openReplay(start, seam, owedAfter, options));
    this.#hasBegun = true;
    await this.#drain();
  }

  receive(message: Message): void {
    if (!this.#gate && this.barrier.isEmpty) {
      this.#give(message);
      return;
    }
    this.#closeGate();
    this.#gate!.add(message, this.barrier.count);
    this.#kick();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#gate) this.#gate.add({ channel, reason }, this.barrier.count);
    else this.#reset(channel, reason, this.#position);
  }

  plain(): void {}

  changed(): void {}

  hold(): void {
    this.#isHeld = true;
    this.#closeGate();
  }

  release(): void {
    this.#isHeld = false;
    this.#kick();
  }

  /** Its channels, or its barrier, have changed: what is heard from now on is held until that has been looked at. */
  review(): void {
    this.#closeGate();
    this.#kick();
  }

  /** The same, where what has changed will be looked at with the next message. */
  holdNext(): void {
    this.#closeGate();
  }

  /** Keeps the connection alive, and moves the client's position to what it has certainly not missed. */
  noop(): void {
    const { hub } = this.#options;
    if (!this.#isOpened) return;
    if (!this.#gate && hub.isOpen && this.barrier.isEmpty) this.#position = laterOf(this.#position, hub.position);
    this.#connection.noop(this.#position);
  }

  close(reason: CloseReason): void {
    this.#leaving?.abort();
    this.#gate = new Gate(0);
    this.#connection.close(reason, this.#position);
  }

  #closeGate(): void {
    if (this.#gate) return;
    this.#gate = new Gate(this.#options.maxBuffer);
    this.#options.onHold();
  }

  /** What must be announced, and what was missed up to the seam. The first frame goes before it, if it has not been sent. */
  async #replay(seam: Position, open: (options: ReplayOptions) => Promise<Replay>): Promise<void> {
    try {
      await this.#giveReplay(await this.#openReplay(open), seam);
    } catch (error) {
      // Whoever has left is owed nothing, and what was read for it is withdrawn.
      if (!this.#connection.closed) throw error;
    }
  }

  #openReplay(open: (options: ReplayOptions) => Promise<Replay>): Promise<Replay> {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    const { hub, backlog, channels, recordsPlain } = this.#options;
    const withdrawn = { open: (requests: ReadRequest[]) => backlog.open(requests, signal) };
    return this.#ask(() => open({ hub, backlog: withdrawn, filter: channels, recordsPlain }));
  }

  async #giveReplay(replay: Replay, seam: Position): Promise<void> {
    const connection = this.#connection;
    // What changes from here on has a place behind the seam, so all pages are filtered as they are now.
    this.additions.haveRead(seam);
    this.#position = replay.position;
    if (!this.#isOpened) this.#openConnection();
    for (const [i, { channel, reason }] of replay.resets.entries()) {
      // If nothing follows, the last one says so: or the client would be told again of a gap that it knows.
      const last = replay.isEmpty && i === replay.resets.length - 1;
      this.#reset(channel, reason, last ? seam : replay.position);
      await connection.drained();
    }
    while (await this.#givePage(await this.#ask(() => replay.next())));
    if (!connection.closed) this.#position = laterOf(this.#position, seam);
  }

  /** Answers whether there may be another one. A function of its own: a page is forgotten while the next one is read. */
  async #givePage(page: ChannelPage | undefined): Promise<boolean> {
    if (!page) return false;
    for (const { channel, reason } of page.resets) this.#reset(channel, reason, this.#position);
    for (const message of page.messages) {
      this.#give(message);
      await this.#connection.drained();
      if (this.#connection.closed) return false;
    }
    return true;
  }

  /** The same question again, so up to the same seam: what is later is held, and what is allowed may change with it. */
  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      // Before its `ok` a client is told within 2 s; behind it, only the grace ends its stream.
      if (!this.#isOpened || this.#connection.closed) throw error;
      return this.#persistently(ask);
    }
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#connection.closed);
  }

  #reset(channel: string, reason: ResetReason, position: Position): void {
    this.#options.hub.countReset(reason);
    this.#connection.reset(channel, reason, position);
  }

  #openConnection(): void {
    this.#isOpened = true;
    this.#connection.open('ok', this.#position);
    this.#options.onOpen();
  }

  #give(message: Message): void {
    if (!isAfter(message.id, this.#position)) return;
    const { channels } = this.#options;
    if (!channels.isQuiet && !channels.allows(message)) return;
    this.#position = message.id;
    if (message.oversize) this.#options.hub.countReset('oversize');
    this.#connection.message(message);
  }

  #kick(): void {
    if (this.#isDraining || this.#isHeld || !this.#hasBegun) return;
    this.#drain().catch((error: Error) => {
      // Who has left is owed nothing.
      if (this.#connection.closed) return;
      this.#options.onFailure(error);
      this.#connection.close('redis', this.#position);
    });
  }

  /** Reads what was added, gives what is held, and goes over to live. */
  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#gate && !this.#isHeld && !this.#connection.closed) {
        const gate = this.#gate;
        const work = this.#work(gate);
        if (work) await work;
        else if (gate.isEmpty) this.#gate = undefined;
        else {
          // Nothing is awaited between this look and the end: whatever comes back meanwhile would be overlooked.
          const ready = gate.takeReady(this.#areSettled);
          if (ready.length === 0) return;
          await this.#giveAll(ready);
        }
      }
    } finally {
      this.#isDraining = false;
    }
  }

  /** What has to be done before anything that is held is given, if there is something. */
  #work(gate: Gate): Promise<void> | undefined {
    if (this.#options.channels.isStale) return this.#renew();
    const dropped = gate.takeDropped(this.#areSettled);
    if (dropped !== undefined) return this.#catchUp(dropped);
    return this.additions.isEmpty ? undefined : this.#readAdded(gate);
  }

  async #renew(): Promise<void> {
    const seam = this.#options.hub.position;
    await this.#options.renew();
    await this.#catchUp(seam);
  }

  readonly #areSettled = (count: number): boolean => this.barrier.areSettled(count);

  async #giveAll(entries: (Message | Reset)[]): Promise<void> {
    for (const entry of entries) {
      if (isMessage(entry)) this.#give(entry);
      else this.#reset(entry.channel, entry.reason, this.#position);
    }
    await this.#connection.drained();
  }

  /** What is not held, or could not be filtered when it was heard, is read again: from the hub's memory, or the backlogs. */
  async #catchUp(upTo: Position): Promise<void> {
    if (this.#connection.closed) return;
    const { channels } = this.#options;
    const position = this.#position;
    const wanted = [...channels.followed].map((channel) => {
      const added = this.additions.owedOf(channel, position);
      return added ?? { channel, after: channels.startOf(channel, position), isRead: true };
    });
    await this.#replay(upTo, (options) => openMissed(wanted, position, upTo, options));
  }

  /**
   * Follows the channels that were added, from the place at which they were, or from the reader's position if that is later; puts
   * what was published there in its place among what is held.
   */
  async #readAdded(gate: Gate): Promise<void> {
    const { hub, backlog, channels, recordsPlain, reader = this } = this.#options;
    const added = this.additions.take();
    await this.#persistently(() => follow(added, hub, reader));
    if (this.#connection.closed) return;
    const position = this.#position;
    const found = await this.#persistently(() =>
      readAdded(added, position, hub.position, { hub, backlog, filter: channels, gaps: hub.gaps, recordsPlain }),
    );
    const resets = found.resets.filter(({ channel }) => {
      // Added, dropped and added again: what is gone from the backlog by now may be held since the first time.
      const from = found.gaps.get(channel);
      const head = hub.subscription(channel)?.head;
      return from === undefined || head === undefined || !gate.hasAll(channel, found.messages, from, head);
    });
    insertAdded(gate, added, { messages: found.messages, resets }, position, this.barrier.count);
  }
}
