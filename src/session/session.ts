import { setTimeout as wait } from 'node:timers/promises';
import type { BacklogReader, Rights, RightsReader } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Ending } from '../connection/refusal.ts';
import type { Counters } from '../counters.ts';
import type { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { RightsChange } from '../message/rights-change.ts';
import { Additions } from '../reading/additions.ts';
import { Reading } from '../reading/reading.ts';
import type { ReadingOwner } from '../reading/reading-owner.ts';
import { isUpToDate } from '../reading/revision-heads.ts';
import type { Start } from '../reading/start.ts';
import type { Trace } from '../reading/trace.ts';
import { isExpected, type Repeats } from '../repeats.ts';
import { ExpectedRecords } from './expected-records.ts';
import { Membership, type MembershipOptions } from './membership.ts';
import type { Permit } from './permits.ts';

/** Time to wait for the record of a plain PUBLISH on the user's channel, before the list is read instead (ms). */
const RECORD_PATIENCE = 3000;
/** Pause before the hub is asked again to settle, if a plain PUBLISH is still not recorded after that (ms). */
const LOOK_AGAIN = 100;

export interface SessionOptions extends MembershipOptions {
  backlog: RightsReader & BacklogReader;
  connection: Connection;
  counters: Counters;
  /** Bytes of messages that are held, before they are dropped and read again. */
  maxBuffer: number;
  /** Limits log lines about events that may happen to all sessions at once. */
  repeats?: Repeats;
  /** What the client was identified by, hashed. */
  credential?: string | undefined;
  /** The client's address as the log shows it. */
  address?: string | undefined;
  /** Since when what is known of the client holds (ms of `performance.now`): a later disconnect ends the stream. By default always. */
  begun?: number;
}

/**
 * The reading of a user: decides which channels are read, and when the reading holds messages back.
 *
 * Invariant: a change of rights is in the timeline as soon as it is received. Messages received after a plain PUBLISH that may carry a
 * change are delivered only when the record of that PUBLISH has been received, or is given up.
 *
 * The file is long because a session is what all others see of a stream: a third of it passes calls on to the membership and the reading.
 */
export class Session implements ReadingOwner {
  /** `undefined`: nobody. */
  readonly user: string | undefined;
  readonly connection: Connection;
  /** Is given back when the stream ends; `undefined` if no client has asked for the stream. */
  permit: Permit | undefined;
  /** When the stream was let in (ms since 1970). */
  since = 0;
  readonly credential: string | undefined;
  readonly address: string | undefined;
  readonly begun: number;
  /** Called when the registry has to call `sweep` again, every second until `isSettled`. */
  onHold: () => void = nothing;
  /** Called with each `sweep`: rights may have changed. */
  onSweep: () => void = nothing;
  /** Called when the first frame has been sent. */
  onOpen: () => void = nothing;
  readonly #options: SessionOptions;
  readonly #membership: Membership;
  readonly #reading: Reading;
  #expected: ExpectedRecords | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.user = options.user;
    this.connection = options.connection;
    this.credential = options.credential;
    this.address = options.address;
    this.begun = options.begun ?? Number.NEGATIVE_INFINITY;
    const additions = new Additions();
    this.#membership = new Membership(this, additions, options);
    this.#reading = new Reading(this, this.#membership, additions, options);
  }

  /** Whether the first frame has been sent. */
  get opened(): boolean {
    return this.#reading.isOpened;
  }

  /** How far the client has come; `undefined` before it is known from where on it reads. */
  get trace(): Trace | undefined {
    return this.#reading.trace;
  }

  /** Whether the messages of the channel that are published now are for the client. */
  reads(channel: string): boolean {
    return this.#membership.reads(channel);
  }

  /** The version of the user's list that the session uses. */
  get version(): Position {
    return this.#membership.timeline.version;
  }

  /** How many channels the user may follow, apart from the user's own. */
  get size(): number {
    return this.#membership.size;
  }

  /** Whether the user's list in the store counts. */
  get hasList(): boolean {
    return this.#membership.hasList;
  }

  /** The named channels that the client may not read at the moment. */
  get denied(): readonly string[] {
    return this.#membership.unlisted;
  }

  /** Whether the client may read the message, if it may read its channel. */
  allows(message: Message): boolean {
    return this.#membership.allows(message);
  }

  /** Whether messages are held, because a backlog or the list is being read. */
  get isHolding(): boolean {
    return this.#reading.isHolding;
  }

  /** Whether `sweep` has nothing to do until the next `onHold`. */
  get isSettled(): boolean {
    return !this.#reading.isHolding && this.#membership.timeline.isQuiet && (this.#expected?.isEmpty ?? true);
  }

  /**
   * @param admission the first frame is not sent before it settles; the caller closes the session if it is not admitted
   * @throws SisyphusError `redis_unavailable`. The caller closes the session then, or if opening takes longer than `OPENING`.
   */
  async open(start: Start, admission?: Promise<unknown>): Promise<void> {
    const membership = this.#membership;
    let listed: Pick<Rights, 'channels' | 'version' | 'unsettled'> = NO_LIST;
    await this.#reading.open(start, {
      follow: async () => {
        [listed] = await Promise.all([membership.open(), admission]);
        const { named } = this.#options;
        if (named && membership.denied.length === named.size) this.close('denied');
      },
      settle: () => this.#settle(listed.unsettled),
      owedAfter: (position) => membership.owedAtFirst(position, listed),
    });
  }

  receive(delivery: Delivery): void {
    if (delivery.message.channel === this.#membership.own) this.#hearOwn(delivery.message);
    this.#reading.receive(delivery);
  }

  /**
   * Opens the session without waiting, if nothing has to be asked for or read: the client has no user, and it has all of its channels up to
   * the last message that the hub has received.
   *
   * @returns whether the session is open; if not, nothing has happened
   */
  openAtOnce(start: Start & { kind: 'revisions' }): boolean {
    const { hub } = this.#options;
    if (this.connection.closed || !hub.isOpen || !isUpToDate(start.seen, hub)) return false;
    if (!this.#membership.openAtOnce()) return false;
    this.#reading.openLive(start);
    return true;
  }

  /** Called for a plain PUBLISH on a user's channel. Its record carries the changes of rights; if it is not recorded, read the list. */
  plain(channel: string, payload: Buffer): void {
    if (channel !== this.#membership.own) return;
    if (!this.#options.recordsPlain(channel)) {
      this.refresh();
      return;
    }
    if (!this.#expected) this.#reading.barrier = this.#expected = new ExpectedRecords();
    this.#expected.add(payload, this.#options.hub.heard, this.#now());
    this.onHold();
  }

  changed(channel: string, change: RightsChange): void {
    if (channel === this.#membership.own && this.#takeChange(change)) this.#reading.review();
  }

  /** Delivers nothing until `release` has been called as often: what is received later may decide about earlier messages. */
  hold(): void {
    this.#reading.hold();
  }

  release(): void {
    this.#reading.release();
  }

  reset(channel: string, reason: ResetReason): void {
    if (channel !== this.#membership.own || this.#membership.isOwnWanted) this.#reading.reset(channel, reason);
    // An expected record may never come, because its plain PUBLISH may be among the messages that were not recorded.
    if (reason === 'unrecorded' && channel === this.#membership.own && this.#expected?.giveUp(this.#now()))
      this.refresh();
  }

  /** Reads the list again: after a reconnect, or if no message carries its changes. */
  refresh(): void {
    this.#membership.expire();
    this.#reading.review();
  }

  /** Called every second until `isSettled`. */
  sweep(): void {
    this.onSweep();
    this.#membership.sweep(this.#reading.isHolding);
    if (!this.#expected?.isOverdue(RECORD_PATIENCE, this.#now())) return;
    // While nothing can be recorded, records are missing for all sessions, so limit the log lines.
    const times = this.#options.repeats?.due('record_missing') ?? 1;
    if (times > 0) this.#options.logger.warn({ event: 'record_missing', user: this.user, ...(times > 1 && { times }) });
    this.#expected.giveUp(this.#now());
    this.refresh();
  }

  noop(): void {
    this.#reading.noop();
  }

  close(reason: CloseReason, ending?: Ending): void {
    this.#membership.leave();
    this.#reading.close(reason, ending);
  }

  /** Ends the stream, because the user has more channels than the limit allows. */
  onTooMany(channels: number): void {
    const { logger, counters, repeats } = this.#options;
    const limit = 'SISYPHUS_MAX_CHANNELS';
    if (this.connection.closed) return;
    const times = repeats?.due(`list_too_long ${this.user}`) ?? 1;
    if (times > 0) {
      logger.warn({ event: 'list_too_long', user: this.user, channels, limit, ...(times > 1 && { times }) });
    }
    counters.limitReached(limit);
    this.close('capacity', { limit });
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  /** Handles a message on the user's own channel, which may be an expected record, and may carry a change of rights. */
  #hearOwn(message: Message): void {
    this.#expected?.confirm(message, this.#now());
    if (message.rights && this.#takeChange(message.rights)) this.#reading.holdNext();
  }

  /** Returns whether the reading has something to do. A channel that was revoked is left by a later `sweep`. */
  #takeChange(change: RightsChange): boolean {
    const isMore = this.#membership.changed(change);
    this.onHold();
    return isMore;
  }

  renew(): Promise<void> {
    return this.#settle(false);
  }

  /**
   * Settles when every message up to now can be judged: every plain PUBLISH from before, received here or not, is recorded or will never
   * be, and every change of rights received in the meantime is in the timeline. `unsettled`: see `Rights`.
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

  #areRecorded(count: number): boolean {
    return this.#expected?.areSettled(count) ?? true;
  }

  onFailure(error: Error): void {
    const line = { event: 'session_failed', user: this.user };
    if (isExpected(error)) this.#options.logger.debug({ ...line, reason: error.message });
    else this.#options.logger.error({ ...line, err: error });
  }
}

/** The default of the callbacks. All sessions share it, because three functions for each of many polls would cost memory. */
function nothing(): void {}

const NO_LIST = { channels: new Map<string, Position>(), version: BEGINNING, unsettled: false };
