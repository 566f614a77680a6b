import { setTimeout as wait } from 'node:timers/promises';
import type { ReadRequest } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Counters } from '../counters.ts';
import type { Reader } from '../hub/subscription.ts';
import { isMessage, type Message } from '../message/message.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { isExpected, type Repeats } from '../repeats.ts';
import { ExpectedRecords } from './expected-records.ts';
import { Gate, type Reset } from './gate.ts';
import { Membership, type MembershipOptions } from './membership.ts';
import type { ChannelPage, Wanted } from './read-channels.ts';
import { openMissed, openReplay, type Replay, type ReplayOptions } from './replay.ts';
import { positionOf, type Start } from './start.ts';

/** How long the record of a plain PUBLISH on the user's channel is waited for before the list is read instead (ms). */
const RECORD_PATIENCE = 3000;
/** If nobody answers whether it is recorded (ms). */
const LOOK_AGAIN = 100;

export interface SessionOptions extends MembershipOptions {
  connection: Connection;
  counters: Counters;
  maxBuffer: number;
  /** For what may happen to all sessions at once. */
  repeats?: Repeats;
}

/**
 * One client's reading: subscribe, replay, cut over, live.
 *
 * While there is a `#gate` the session is holding: it opens, reads a list or a backlog, or waits for a record. Without it the session
 * is live, and what is heard goes straight to the connection.
 *
 * Invariant: what was given to the connection is every message with an id up to `#position` that the timeline allows, each once
 * and in the order of ids, or covered by a reset. A change of rights is in the timeline as soon as it is heard, and whatever
 * was heard behind a plain PUBLISH that may carry one is given only when its record has been heard.
 */
export class Session implements Reader {
  readonly user: string;
  readonly connection: Connection;
  /** Called when there is something to `sweep`. */
  onHold: () => void = () => undefined;
  /** Called when the first frame has been sent. */
  onOpen: () => void = () => undefined;
  readonly #options: SessionOptions;
  readonly #membership: Membership;
  #expected: ExpectedRecords | undefined;
  #position = BEGINNING;
  #gate: Gate | undefined;
  #draining = false;
  #isHeld = false;
  #opened = false;
  /** What was missed has been given: what is held may follow. */
  #begun = false;
  /** Withdraws what is being read. */
  #leaving: AbortController | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.user = options.user;
    this.connection = options.connection;
    this.#membership = new Membership(this, options);
    this.#gate = new Gate(options.maxBuffer);
  }

  /** Whether the first frame has been sent. */
  get opened(): boolean {
    return this.#opened;
  }

  /** The version of the user's list that the session goes by. */
  get version(): Position {
    return this.#membership.timeline.version;
  }

  /** How many channels are on the list. */
  get size(): number {
    return this.#membership.timeline.channels.length;
  }

  /** Whether `sweep` has nothing to do until it holds again. */
  get isSettled(): boolean {
    return this.#gate === undefined && this.#membership.isSettled && (this.#expected?.isEmpty ?? true);
  }

  /** @throws SisyphusError `redis_unavailable`; the caller closes the session then, or if it takes longer than `OPENING` */
  async open(start: Start): Promise<void> {
    const { hub } = this.#options;
    // What the client has until it is told otherwise: an `error` must not lose what it has not read.
    this.#position = positionOf(start, hub.position);
    const listed = await this.#membership.open();
    // Another gateway may have been further than this one has heard: then it is no position from the future.
    if (start.kind === 'after' && isAfter(start.position, hub.position)) await hub.refresh();
    if (this.connection.closed) return;
    const seam = hub.position;
    if (start.kind === 'now' || (start.kind === 'after' && !isAfter(start.position, seam))) {
      // Before anything is read: the client knows at once that it is connected.
      this.#position = positionOf(start, seam);
      this.#openConnection();
    }
    await this.#settle(listed.unsettled);
    if (this.connection.closed) return;
    const owedAfter = (position: Position): Wanted[] => this.#membership.owedAtFirst(position, listed);
    if (start.kind === 'now') this.#membership.haveRead(seam);
    else await this.#replay(seam, (options) => openReplay(start, seam, owedAfter, options));
    this.#begun = true;
    await this.#drain();
  }

  receive(message: Message): void {
    if (message.channel === this.#membership.own) this.#hearOwn(message);
    if (!this.#gate && (this.#expected?.isEmpty ?? true)) {
      this.#give(message);
      return;
    }
    this.#closeGate();
    this.#gate!.add(message, this.#expected?.count ?? 0);
    this.#kick();
  }

  /** A plain PUBLISH on a user's channel. Its record tells what changes with it; if it is not recorded, the list has to be read. */
  plain(channel: string, payload: Buffer): void {
    if (channel !== this.#membership.own) return;
    if (!this.#options.recordsPlain(channel)) {
      this.refresh();
      return;
    }
    this.#expected ??= new ExpectedRecords();
    this.#expected.add(payload, this.#options.hub.heard, this.#now());
    this.onHold();
  }

  changed(channel: string, change: RightsChange): void {
    if (channel !== this.#membership.own || !this.#membership.changed(change)) return;
    this.#closeGate();
    this.#kick();
  }

  /** Until `release` nothing is given: what is heard behind it may change the rights at a place before it. */
  hold(): void {
    this.#isHeld = true;
    this.#closeGate();
  }

  release(): void {
    this.#isHeld = false;
    this.#kick();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#gate) this.#gate.add({ channel, reason }, this.#expected?.count ?? 0);
    else this.#reset(channel, reason, this.#position);
    // A record that is waited for may be among what nobody has recorded.
    if (reason === 'unrecorded' && channel === this.#membership.own && this.#expected?.giveUp(this.#now()))
      this.refresh();
  }

  /** Reads the list again: after a reconnect, or if nothing else tells what is on it. */
  refresh(): void {
    this.#membership.expire();
    this.#closeGate();
    this.#kick();
  }

  /** Called every second until `isSettled`. */
  sweep(): void {
    this.#membership.sweep(this.#gate !== undefined);
    if (!this.#expected?.isOverdue(RECORD_PATIENCE, this.#now())) return;
    // While nothing can be recorded, it is missing for everybody.
    const times = this.#options.repeats?.due('record_missing') ?? 1;
    if (times > 0) this.#options.logger.warn({ event: 'record_missing', user: this.user, ...(times > 1 && { times }) });
    this.#expected.giveUp(this.#now());
    this.refresh();
  }

  /** Keeps the connection alive, and moves the client's position to what it has certainly not missed. */
  noop(): void {
    const { hub } = this.#options;
    if (!this.#opened) return;
    if (!this.#gate && hub.isOpen && (this.#expected?.isEmpty ?? true)) {
      this.#position = laterOf(this.#position, hub.position);
    }
    this.connection.noop(this.#position);
  }

  close(reason: CloseReason): void {
    this.#membership.leave();
    this.#leaving?.abort();
    this.#gate = new Gate(0);
    this.connection.close(reason, this.#position);
  }

  #closeGate(): void {
    if (this.#gate) return;
    this.#gate = new Gate(this.#options.maxBuffer);
    this.onHold();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** A message on the user's own channel: it may be a record that is waited for, and carry a change of rights. */
  #hearOwn(message: Message): void {
    this.#expected?.confirm(message, this.#now());
    if (message.rights && this.#membership.changed(message.rights)) this.#closeGate();
  }

  /**
   * Until everything up to now can be judged: what was published plainly before, heard here or not, is recorded, or will never be;
   * and every change of rights that was heard meanwhile is in the timeline.
   */
  async #settle(unsettled: boolean): Promise<void> {
    const count = this.#expected?.count ?? 0;
    for (let isUnsettled = unsettled; ; ) {
      if (isUnsettled) await this.#options.hub.settle();
      while (!this.connection.closed && !this.#areRecorded(count)) {
        await this.#options.hub.settle();
        if (!this.#areRecorded(count)) await wait(LOOK_AGAIN);
      }
      if (this.connection.closed || !this.#membership.isStale) return;
      isUnsettled = (await this.#membership.reread()).unsettled;
    }
  }

  /** What must be announced, and what was missed up to the seam. The first frame goes before it, if it has not been sent. */
  async #replay(seam: Position, open: (options: ReplayOptions) => Promise<Replay>): Promise<void> {
    try {
      await this.#giveReplay(await this.#openReplay(open), seam);
    } catch (error) {
      // Whoever has left is owed nothing, and what was read for it is withdrawn.
      if (!this.connection.closed) throw error;
    }
  }

  #openReplay(open: (options: ReplayOptions) => Promise<Replay>): Promise<Replay> {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    const backlog = { open: (requests: ReadRequest[]) => this.#options.backlog.open(requests, signal) };
    return this.#ask(() => open({ ...this.#options, backlog, timeline: this.#membership.timeline }));
  }

  async #giveReplay(replay: Replay, seam: Position): Promise<void> {
    const { connection } = this;
    // What changes from here on has a place behind the seam, so all pages are judged by the timeline as it is now.
    this.#membership.haveRead(seam);
    this.#position = replay.position;
    if (!this.#opened) this.#openConnection();
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
      await this.connection.drained();
      if (this.connection.closed) return false;
    }
    return true;
  }

  /** The same question again, so up to the same seam: what is later is held, and rights may change with it. */
  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      // Before its `ok` a client is told within 2 s; behind it, only the grace ends its stream.
      if (!this.#opened || this.connection.closed) throw error;
      return this.#membership.persistently(ask);
    }
  }

  #reset(channel: string, reason: ResetReason, position: Position): void {
    this.connection.reset(channel, reason, position);
    this.#countReset(reason);
  }

  /** Unless the reader has left, or was too slow for it: then nobody is told. */
  #countReset(reason: ResetReason): void {
    if (!this.connection.closed) this.#options.counters.readerReset(reason);
  }

  #openConnection(): void {
    if (this.connection.closed) return;
    this.#opened = true;
    this.connection.open('ok', this.#position);
    this.onOpen();
  }

  #give(message: Message): void {
    if (!isAfter(message.id, this.#position)) return;
    const { timeline } = this.#membership;
    if (!timeline.isQuiet && !timeline.allows(message)) return;
    this.#position = message.id;
    this.connection.message(message);
    if (message.oversize) this.#countReset('oversize');
  }

  #kick(): void {
    if (this.#draining || this.#isHeld || !this.#begun) return;
    this.#drain().catch((error: Error) => {
      // Who has left is owed nothing.
      if (this.connection.closed) return;
      const [level, reason] = isExpected(error) ? (['debug', 'redis'] as const) : (['error', 'internal'] as const);
      this.#options.logger[level]({ event: 'session_failed', user: this.user, err: error });
      this.connection.close(reason, this.#position);
    });
  }

  /** Follows what was granted, gives what was held, and goes over to live. */
  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const membership = this.#membership;
    try {
      while (this.#gate && !this.#isHeld && !this.connection.closed) {
        const gate = this.#gate;
        if (membership.isStale) {
          const seam = this.#options.hub.position;
          await this.#settle(false);
          await this.#catchUp(seam);
          continue;
        }
        const dropped = gate.takeDropped(this.#areRecorded);
        if (dropped !== undefined) await this.#catchUp(dropped);
        else if (membership.isGaining) await membership.gain(gate, this.#position, () => this.#expected?.count ?? 0);
        else if (gate.isEmpty) this.#gate = undefined;
        else {
          // Nothing is awaited between this look and the end: whoever is told of a record meanwhile would be overheard.
          const ready = gate.takeReady(this.#areRecorded);
          if (ready.length === 0) return;
          await this.#giveAll(ready);
        }
      }
    } finally {
      this.#draining = false;
    }
  }

  readonly #areRecorded = (count: number): boolean => this.#expected?.areSettled(count) ?? true;

  async #giveAll(entries: (Message | Reset)[]): Promise<void> {
    for (const entry of entries) {
      if (isMessage(entry)) this.#give(entry);
      else this.#reset(entry.channel, entry.reason, this.#position);
    }
    await this.connection.drained();
  }

  /** What is not held, or could not be judged when it was heard, is read again: from the hub's memory, or the backlogs. */
  async #catchUp(upTo: Position): Promise<void> {
    if (this.connection.closed) return;
    const wanted = this.#membership.owedAgain(this.#position);
    await this.#replay(upTo, (options) => openMissed(wanted, this.#position, upTo, options));
  }
}
