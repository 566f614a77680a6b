import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Ending } from '../connection/refusal.ts';
import type { Counters } from '../counters.ts';
import { type Delivery, isDelivery } from '../message/delivery.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import { isExpected } from '../repeats.ts';
import type { Additions } from './additions.ts';
import { NO_BARRIER } from './barrier.ts';
import type { Channels } from './channels.ts';
import { Client } from './client.ts';
import { Gate, type Reset } from './gate.ts';
import type { ReadingOwner } from './reading-owner.ts';
import { openReplay } from './replay.ts';
import { Replayer, type ReplayerOptions } from './replayer.ts';
import { isAhead } from './revision-heads.ts';
import { positionOf, type Start } from './start.ts';
import type { Trace } from './trace.ts';
import type { Wanted } from './wanted.ts';

export interface ReadingOptions extends ReplayerOptions {
  connection: Connection;
  counters: Counters;
  /** The most bytes of messages that are held. If there are more, they are dropped and read again. */
  maxBuffer: number;
}

/** The steps of `Reading.open` that its owner supplies. */
export interface Opening {
  /** Settles when the hub delivers the channels to the reader. */
  follow: () => Promise<void>;
  /** Settles when the filter can decide on all messages up to now. */
  settle: () => Promise<void>;
  /** The channels to read, and from where on, for a reader that has everything up to `position`. */
  owedAfter: (position: Position) => Wanted[];
}

/**
 * What one client reads: subscribe, replay, cut over, live. The reading decides when an entry may pass to the client: `Client` writes it,
 * `Replayer` reads what was missed. Its owner decides which channels are followed, and who may read them.
 *
 * Invariant: while there is a `#gate`, every message that is received is held behind it: the reading opens, reads a backlog, looks up its
 * channels, or waits at its barrier. Without a gate the reading is live, and messages go straight to the client.
 */
export class Reading {
  /** The owner replaces it if messages have to wait for something. */
  barrier = NO_BARRIER;
  readonly #owner: ReadingOwner;
  readonly #channels: Channels;
  readonly #additions: Additions;
  readonly #options: ReadingOptions;
  readonly #client: Client;
  readonly #replayer: Replayer;
  #gate: Gate | undefined;
  #isDraining = false;
  /** How many have called `hold` and not `release` yet. */
  #holds = 0;
  /** The missed messages have been given, so held messages may follow. */
  #hasBegun = false;
  #began: Omit<Trace, 'position'> | undefined;

  constructor(owner: ReadingOwner, channels: Channels, additions: Additions, options: ReadingOptions) {
    this.#owner = owner;
    this.#channels = channels;
    this.#additions = additions;
    this.#options = options;
    this.#client = new Client(options.connection, options.counters, channels, owner);
    this.#replayer = new Replayer(this.#client, channels, additions, options);
    this.#gate = new Gate(options.maxBuffer);
  }

  /** Whether the first frame has been sent. */
  get isOpened(): boolean {
    return this.#client.isOpened;
  }

  get isHolding(): boolean {
    return this.#gate !== undefined;
  }

  /** How far the client has come; `undefined` before it is known from where on it reads. */
  get trace(): Trace | undefined {
    return this.#began && { ...this.#began, position: this.#client.position };
  }

  /** @throws SisyphusError `redis_unavailable` within 2 s; then the caller closes the reading */
  async open(start: Start, { follow, settle, owedAfter }: Opening): Promise<void> {
    const { hub } = this.#options;
    // This is the client's position until another is known: a client that gets an `error` frame must not lose messages by its id.
    this.#client.beginAt(positionOf(start, hub.position));
    await follow();
    // The client may come from a gateway that had received more than this one. So a later position need not be from the future.
    const isLater =
      start.kind === 'revisions' ? isAhead(start.seen, hub) : isAfter(positionOf(start, hub.position), hub.position);
    if (isLater) await hub.refresh();
    if (this.#client.hasLeft) return;
    const seam = hub.position;
    this.#began = { start: start.kind, from: positionOf(start, seam), seam };
    if (start.kind === 'now' || (start.kind === 'after' && !isAfter(start.position, seam))) {
      // `ok` is sent before the backlogs are read, so that the client knows at once that it is connected.
      this.#client.beginAt(positionOf(start, seam));
      this.#client.open();
    }
    await settle();
    if (this.#client.hasLeft) return;
    if (start.kind === 'now') this.#additions.haveRead(seam);
    else await this.#replayer.replay(seam, (options) => openReplay(start, seam, owedAfter, options));
    this.#hasBegun = true;
    await this.#drain();
  }

  /**
   * Opens the reading of a client that has missed nothing: it has its channels up to the hub's position, and the hub delivers them to the
   * reader already.
   */
  openLive(start: Start): void {
    const seam = this.#options.hub.position;
    this.#began = { start: start.kind, from: positionOf(start, seam), seam };
    this.#client.beginAt(seam);
    this.#client.open();
    this.#client.replayed('memory', 0);
    this.#hasBegun = true;
    this.#gate = undefined;
  }

  receive(delivery: Delivery): void {
    if (!this.#gate && this.barrier.isEmpty) {
      this.#client.give(delivery);
      return;
    }
    this.#closeGate().add(delivery, this.barrier.count);
    this.#kick();
  }

  reset(channel: string, reason: ResetReason): void {
    if (this.#gate) this.#gate.add({ channel, reason }, this.barrier.count);
    else this.#client.reset(channel, reason);
  }

  hold(): void {
    this.#holds++;
    this.#closeGate();
  }

  release(): void {
    this.#holds--;
    this.#kick();
  }

  /** Called when its channels or its barrier have changed: messages that are received from now on are held until the change is handled. */
  review(): void {
    this.#closeGate();
    this.#kick();
  }

  /** Like `review`, but the change is handled with the next message. */
  holdNext(): void {
    this.#closeGate();
  }

  /** Keeps the connection alive, and moves the client's position as far forward as it has certainly missed nothing. */
  noop(): void {
    const { hub } = this.#options;
    if (!this.isOpened) return;
    if (!this.#gate && hub.isOpen && this.barrier.isEmpty) this.#client.hasAllUpTo(hub.position);
    this.#client.noop();
  }

  close(reason: CloseReason, ending?: Ending): void {
    this.#replayer.close();
    this.#gate = new Gate(0);
    this.#client.close(reason, ending);
  }

  #closeGate(): Gate {
    if (this.#gate) return this.#gate;
    this.#gate = new Gate(this.#options.maxBuffer);
    this.#owner.onHold();
    return this.#gate;
  }

  #kick(): void {
    if (this.#isDraining || this.#holds > 0 || !this.#hasBegun) return;
    this.#drain().catch((error: Error) => {
      // A client that has left is owed nothing.
      if (this.#client.hasLeft) return;
      this.#owner.onFailure(error);
      this.#client.close(isExpected(error) ? 'redis' : 'internal');
    });
  }

  /** Reads channels that were added, gives the held entries to the client, and goes live. */
  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#gate && this.#holds === 0 && !this.#client.hasLeft) {
        const gate = this.#gate;
        const work = this.#work(gate);
        if (work) await work;
        else if (gate.isEmpty) this.#gate = undefined;
        else {
          // Nothing may be awaited between this look and the return: a record that comes back in between would be overlooked.
          const ready = gate.takeReady(this.#areSettled);
          if (ready.length === 0) return;
          await this.#giveAll(ready);
        }
      }
    } finally {
      this.#isDraining = false;
    }
  }

  /** The work that must be done before the next held entry is given to the client; `undefined` if there is none. */
  #work(gate: Gate): Promise<void> | undefined {
    if (this.#channels.isStale) return this.#renew(gate);
    const dropped = gate.takeDropped(this.#areSettled);
    if (dropped !== undefined) {
      this.#giveResets(gate);
      return this.#replayer.catchUp(dropped);
    }
    if (this.#additions.isEmpty) return undefined;
    return this.#replayer.readAdded(gate, this.#owner, () => this.barrier.count);
  }

  async #renew(gate: Gate): Promise<void> {
    const seam = this.#options.hub.position;
    this.#giveResets(gate);
    await this.#owner.renew();
    await this.#replayer.catchUp(seam);
  }

  /**
   * Gives the resets that are held before messages are read: some of these may be from behind a reset, and a client that had them and then
   * breaks off would come back from behind it. A reset that comes too early costs nothing.
   */
  #giveResets(gate: Gate): void {
    for (const { channel, reason } of gate.takeResets()) this.#client.reset(channel, reason);
  }

  readonly #areSettled = (count: number): boolean => this.barrier.areSettled(count);

  async #giveAll(entries: (Delivery | Reset)[]): Promise<void> {
    for (const entry of entries) {
      if (isDelivery(entry)) this.#client.give(entry);
      else this.#client.reset(entry.channel, entry.reason);
    }
    await this.#client.drained();
  }
}
