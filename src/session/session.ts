import type { ReadRequest, Slice } from '../backlog/backlog.ts';
import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Reader } from '../hub/subscription.ts';
import { isMessage, type Message } from '../message/message.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { isExpected } from '../repeats.ts';
import type { Cuts } from './cuts.ts';
import { Held } from './held.ts';
import { Membership, type MembershipOptions } from './membership.ts';
import { readReplay } from './replay.ts';
import type { Start } from './start.ts';

/** Messages held while the list of channels, or a backlog, is read. */
const MAX_HELD = 10_000;

export interface SessionOptions extends MembershipOptions {
  connection: Connection;
  maxBuffer: number;
}

/**
 * One client's reading: subscribe, replay, cut over, live.
 *
 * While there is a `#held` the session is holding: it opens, or the user's channels are about to change, and what is
 * heard waits there. Without it the session is live, and what is heard goes straight to the connection.
 *
 * Invariant: what was given to the connection is every message that the user may see with an id up to `#position`,
 * each once and in the order of ids, or covered by a reset. A change of rights is applied before anything that was
 * published after it is given to the connection.
 *
 * A long file: each step of it moves the position or what is held, which the invariant ties to each other.
 */
export class Session implements Reader {
  readonly user: string;
  readonly connection: Connection;
  /** Called when it begins to hold what it hears. */
  onHold: () => void = () => undefined;
  readonly #options: SessionOptions;
  readonly #membership: Membership;
  readonly #cuts: Cuts;
  #position = BEGINNING;
  #held: Held | undefined = new Held();
  #draining = false;
  /** The list has to be read, for a reason that no message carries. */
  #stale = false;
  #opened = false;
  /** What was missed has been given: what is held may follow. */
  #begun = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.user = options.user;
    this.connection = options.connection;
    this.#membership = new Membership(this, options);
    this.#cuts = this.#membership.cuts;
  }

  /** Whether the first frame has been sent. */
  get opened(): boolean {
    return this.#opened;
  }

  /** The version of the user's list that the session goes by. */
  get version(): Position {
    return this.#membership.version;
  }

  /** Whether `sweep` has nothing to do until it holds again. */
  get isSettled(): boolean {
    return this.#held === undefined && this.#membership.isSettled;
  }

  /** Whether no message is at hand that leads to this version of the list. */
  lacks(version: Position): boolean {
    if (this.version === version) return false;
    return !this.#held?.messages().some(({ rights }) => rights?.now === version);
  }

  /** @throws SisyphusError `redis_unavailable` within 2 s; the caller closes the session then */
  async open(start: Start): Promise<void> {
    // What the client has until it is told otherwise: an `error` must not lose what it has not read.
    if (start.kind === 'after') this.#position = start.position;
    const rights = await this.#membership.settle(() => this.#held);
    // Another gateway may have been further than this one has heard: then it is no position from the future.
    if (start.kind === 'after' && isAfter(start.position, this.#options.hub.position))
      await this.#options.hub.refresh();
    if (this.connection.closed) return;
    // In one step with the following read of the hub's position: the seam.
    const seam = this.#options.hub.position;
    const backlog = { read: (requests: ReadRequest[]) => this.#readMissed(requests) };
    const reading = readReplay(start, this.#membership.own, rights, { ...this.#options, backlog });
    await this.#begin(start, seam, reading);
    this.#begun = true;
    await this.#drain();
  }

  receive(message: Message): void {
    if (this.#held) {
      this.#hold(this.#held, message);
      if (this.#membership.confirm(message)) this.#kick();
    } else if (message.rights && this.#membership.isChange(message)) {
      this.hold();
      this.#hold(this.#held!, message);
      this.#kick();
    } else {
      this.#give(message);
    }
  }

  plain(payload: Buffer): void {
    this.hold();
    if (!this.#membership.expect(payload)) this.refresh();
  }

  hold(): void {
    if (this.#held) return;
    this.#held = new Held();
    this.onHold();
  }

  release(): void {
    this.#kick();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#held) this.#held.add({ channel, reason });
    else this.#reset(channel, reason, this.#position);
    // A record that is waited for may be among what nobody has recorded.
    if (reason === 'unrecorded' && channel === this.#membership.own && this.#membership.expectNothing()) this.refresh();
  }

  /** Reads the list again: after a reconnect, or where nothing else tells what is on it. */
  refresh(): void {
    this.hold();
    this.#stale = true;
    this.#kick();
  }

  /** Called every second until `isSettled`. */
  sweep(): void {
    if (this.#membership.sweep(this.#held !== undefined)) this.refresh();
  }

  /** Keeps the connection alive, and moves the client's position to what it has certainly not missed. */
  noop(): void {
    const { hub } = this.#options;
    if (!this.#opened) return;
    if (!this.#held && hub.isOpen) this.#position = laterOf(this.#position, hub.position);
    this.connection.noop(this.#position);
  }

  close(reason: CloseReason): void {
    this.#membership.leave();
    this.#held = new Held();
    this.connection.close(reason, this.#position === BEGINNING ? this.#options.hub.position : this.#position);
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
      this.#reset(channel, reason, last ? seam : position);
    }
    for (const message of messages) {
      this.#give(message);
      await connection.drained();
      if (connection.closed) return;
    }
    this.#position = laterOf(this.#position, seam);
  }

  /** The same requests again, so up to the same seam: what is later is held, and rights may change with it. */
  async #readMissed(requests: ReadRequest[]): Promise<Slice[]> {
    try {
      return await this.#options.backlog.read(requests);
    } catch (error) {
      // Before its `ok` a client is told within 2 s; behind it, only the grace ends its stream.
      if (!this.#opened) throw error;
      return this.#membership.read(requests);
    }
  }

  #reset(channel: string, reason: ResetReason, position: Position): void {
    this.#options.hub.countReset(reason);
    this.connection.reset(channel, reason, position);
  }

  #openConnection(): void {
    this.#opened = true;
    this.connection.open('ok', this.#position);
  }

  #hold(held: Held, message: Message): void {
    held.add(message);
    if (held.length > MAX_HELD || held.bytes > this.#options.maxBuffer) {
      // It comes back with its position and finds everything in the backlog.
      this.connection.close('slow', this.#position);
    }
  }

  #give(message: Message): void {
    if (!isAfter(message.id, this.#position)) return;
    if (!this.#cuts.isEmpty && !this.#cuts.allow(message)) return;
    this.#position = message.id;
    if (message.oversize) this.#options.hub.countReset('oversize');
    this.connection.message(message);
  }

  #kick(): void {
    if (this.#draining || !this.#begun) return;
    this.#drain().catch((error: Error) => {
      // Who has left is owed nothing.
      if (this.connection.closed) return;
      const level = isExpected(error) ? 'debug' : 'error';
      this.#options.logger[level]({ event: 'session_failed', user: this.user, err: error });
      this.connection.close('redis', this.#position);
    });
  }

  /** Applies what changes the rights, gives what was held, and goes over to live. */
  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const membership = this.#membership;
    try {
      while (this.#held && !this.connection.closed) {
        const held = this.#held;
        // What changed the list may be a plain PUBLISH that is not recorded yet: its record tells its place.
        if (membership.isExpecting && !this.#stale) return;
        const change = held.messages().find((message) => membership.isChange(message));
        if (this.#stale) {
          this.#stale = false;
          await membership.reread(held, this.#position);
        } else if (change) await membership.apply(change, held, this.#position);
        else if (held.length === 0) this.#held = undefined;
        else await this.#giveHeld(held);
      }
    } finally {
      this.#draining = false;
    }
  }

  async #giveHeld(held: Held): Promise<void> {
    for (const entry of held.take()) {
      if (isMessage(entry)) this.#give(entry);
      else this.#reset(entry.channel, entry.reason, this.#position);
    }
    await this.connection.drained();
  }
}
