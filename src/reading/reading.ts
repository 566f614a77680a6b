import type { BacklogReader, ReadRequest } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Reader } from '../hub/subscription.ts';
import { type Delivery, isDelivery } from '../message/delivery.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { isExpected } from '../repeats.ts';
import { type Additions, follow, insertAdded, readAdded } from './additions.ts';
import { Client } from './client.ts';
import { Gate, type Reset } from './gate.ts';
import { giveReplay } from './give-replay.ts';
import type { MessageFilter } from './message-filter.ts';
import { persistently } from './persistently.ts';
import type { Wanted } from './read-channels.ts';
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

/** Whose reading it is. */
export interface ReadingOwner extends Reader {
  /** Looks the channels up, if they are stale. */
  renew(): Promise<void>;
  /** The reading begins to hold. */
  onHold(): void;
  /** The first frame has been sent. */
  onOpen(): void;
  /** What is held cannot be given: the client is turned away. */
  onFailure(error: Error): void;
}

export interface ReadingOptions {
  hub: Hub;
  backlog: BacklogReader;
  connection: Connection;
  counters: Counters;
  recordsPlain: (channel: string) => boolean;
  /** Bytes of messages that are held, before they are dropped and read again. */
  maxBuffer: number;
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
 * Invariant: while there is a `#gate` everything that is heard is held behind it: the reading opens, reads a backlog, looks its channels
 * up, or waits at its barrier. Without it the reading is live, and what is heard goes straight to the client.
 */
export class Reading {
  /** To be replaced by whoever has something to wait for. */
  barrier = NO_BARRIER;
  readonly #owner: ReadingOwner;
  readonly #channels: Channels;
  readonly #additions: Additions;
  readonly #options: ReadingOptions;
  readonly #client: Client;
  #gate: Gate | undefined;
  #isDraining = false;
  #isHeld = false;
  /** What was missed has been given: what is held may follow. */
  #hasBegun = false;
  /** Withdraws what is being read. */
  #leaving: AbortController | undefined;

  constructor(owner: ReadingOwner, channels: Channels, additions: Additions, options: ReadingOptions) {
    this.#owner = owner;
    this.#channels = channels;
    this.#additions = additions;
    this.#options = options;
    this.#client = new Client(options.connection, options.counters, channels);
    this.#gate = new Gate(options.maxBuffer);
  }

  /** Whether the first frame has been sent. */
  get isOpened(): boolean {
    return this.#client.isOpened;
  }

  get isHolding(): boolean {
    return this.#gate !== undefined;
  }

  /** @throws SisyphusError `redis_unavailable` within 2 s; the caller closes the reading then */
  async open(start: Start, { follow, settle, owedAfter }: Opening): Promise<void> {
    const { hub } = this.#options;
    // What the client has until it is told otherwise: an `error` must not lose what it has not read.
    this.#client.beginAt(positionOf(start, hub.position));
    await follow();
    // Another gateway may have been further than this one has heard: then it is no position from the future.
    if (start.kind === 'after' && isAfter(start.position, hub.position)) await hub.refresh();
    if (this.#client.hasLeft) return;
    const seam = hub.position;
    if (start.kind === 'now' || (start.kind === 'after' && !isAfter(start.position, seam))) {
      // Before anything is read: the client knows at once that it is connected.
      this.#client.beginAt(positionOf(start, seam));
      this.#open();
    }
    await settle();
    if (this.#client.hasLeft) return;
    if (start.kind === 'now') this.#additions.haveRead(seam);
    else await this.#replay(seam, (options) => openReplay(start, seam, owedAfter, options));
    this.#hasBegun = true;
    await this.#drain();
  }

  receive(delivery: Delivery): void {
    if (!this.#gate && this.barrier.isEmpty) {
      this.#client.give(delivery);
      return;
    }
    this.#closeGate();
    this.#gate!.add(delivery, this.barrier.count);
    this.#kick();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#gate) this.#gate.add({ channel, reason }, this.barrier.count);
    else this.#client.reset(channel, reason);
  }

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
    if (!this.isOpened) return;
    if (!this.#gate && hub.isOpen && this.barrier.isEmpty) this.#client.hasAllUpTo(hub.position);
    this.#client.noop();
  }

  close(reason: CloseReason): void {
    this.#leaving?.abort();
    this.#gate = new Gate(0);
    this.#client.close(reason);
  }

  #closeGate(): void {
    if (this.#gate) return;
    this.#gate = new Gate(this.#options.maxBuffer);
    this.#owner.onHold();
  }

  /** What must be announced, and what was missed up to the seam. The first frame goes before it, if it has not been sent. */
  async #replay(seam: Position, open: (options: ReplayOptions) => Promise<Replay>): Promise<void> {
    try {
      const replay = await this.#openReplay(open);
      // What changes from here on has a place behind the seam, so all pages are filtered as they are now.
      this.#additions.haveRead(seam);
      this.#client.beginAt(replay.position);
      if (!this.isOpened) this.#open();
      await giveReplay(replay, this.#client, seam, (ask) => this.#ask(ask));
    } catch (error) {
      // Whoever has left is owed nothing, and what was read for it is withdrawn.
      if (!this.#client.hasLeft) throw error;
    }
  }

  #openReplay(open: (options: ReplayOptions) => Promise<Replay>): Promise<Replay> {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    const { hub, backlog, recordsPlain } = this.#options;
    const withdrawn = { open: (requests: ReadRequest[]) => backlog.open(requests, signal) };
    return this.#ask(() => open({ hub, backlog: withdrawn, filter: this.#channels, recordsPlain }));
  }

  /** The same question again, so up to the same seam: what is later is held, and what is allowed may change with it. */
  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      // Before its `ok` a client is told within 2 s; behind it, only the grace ends its stream.
      if (!this.isOpened || this.#client.hasLeft) throw error;
      return this.#persistently(ask);
    }
  }

  #persistently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return persistently(ask, () => this.#client.hasLeft);
  }

  #open(): void {
    if (this.#client.hasLeft) return;
    this.#client.open();
    this.#owner.onOpen();
  }

  #kick(): void {
    if (this.#isDraining || this.#isHeld || !this.#hasBegun) return;
    this.#drain().catch((error: Error) => {
      // Who has left is owed nothing.
      if (this.#client.hasLeft) return;
      this.#owner.onFailure(error);
      this.#client.close(isExpected(error) ? 'redis' : 'internal');
    });
  }

  /** Reads what was added, gives what is held, and goes over to live. */
  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#gate && !this.#isHeld && !this.#client.hasLeft) {
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
    if (this.#channels.isStale) return this.#renew();
    const dropped = gate.takeDropped(this.#areSettled);
    if (dropped !== undefined) return this.#catchUp(dropped);
    return this.#additions.isEmpty ? undefined : this.#readAdded(gate);
  }

  async #renew(): Promise<void> {
    const seam = this.#options.hub.position;
    await this.#owner.renew();
    await this.#catchUp(seam);
  }

  readonly #areSettled = (count: number): boolean => this.barrier.areSettled(count);

  async #giveAll(entries: (Delivery | Reset)[]): Promise<void> {
    for (const entry of entries) {
      if (isDelivery(entry)) this.#client.give(entry);
      else this.#client.reset(entry.channel, entry.reason);
    }
    await this.#client.drained();
  }

  /** What is not held, or could not be filtered when it was heard, is read again: from the hub's memory, or the backlogs. */
  async #catchUp(upTo: Position): Promise<void> {
    if (this.#client.hasLeft) return;
    const { position } = this.#client;
    const wanted = [...this.#channels.followed].map((channel) => {
      const added = this.#additions.owedOf(channel, position);
      return added ?? { channel, after: this.#channels.startOf(channel, position), isRead: true };
    });
    await this.#replay(upTo, (options) => openMissed(wanted, position, upTo, options));
  }

  /**
   * Follows the channels that were added, from the place at which they were, or from the reader's position if that is later; puts
   * what was published there in its place among what is held.
   */
  async #readAdded(gate: Gate): Promise<void> {
    const { hub, backlog, recordsPlain } = this.#options;
    const added = this.#additions.take();
    await this.#persistently(() => follow(added, hub, this.#owner));
    if (this.#client.hasLeft) return;
    const { position } = this.#client;
    const found = await this.#persistently(() =>
      readAdded(added, position, hub.position, { hub, backlog, filter: this.#channels, gaps: hub.gaps, recordsPlain }),
    );
    const resets = found.resets.filter(({ channel }) => {
      // Added, dropped and added again: what is gone from the backlog by now may be held since the first time.
      const from = found.gaps.get(channel);
      const head = hub.subscription(channel)?.head;
      return from === undefined || head === undefined || !gate.hasAll(channel, found.deliveries, from, head);
    });
    insertAdded(gate, added, { deliveries: found.deliveries, resets }, position, this.barrier.count);
  }
}
