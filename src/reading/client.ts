import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Ending } from '../connection/refusal.ts';
import type { Counters, ReplaySource } from '../counters.ts';
import type { Delivery } from '../message/delivery.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Channels } from './channels.ts';
import type { ReadingOwner } from './reading-owner.ts';

/**
 * The client of one reading, and its position.
 *
 * Invariant: the client was sent every message with an id up to `position` that the channels allow, each once and in the order of ids, or
 * it was notified by a reset. Nothing else writes to the connection or moves the position.
 */
export class Client {
  readonly #connection: Connection;
  readonly #counters: Counters;
  readonly #channels: Pick<Channels, 'isQuiet' | 'allows' | 'denied'>;
  readonly #owner: Pick<ReadingOwner, 'onOpen'>;
  #position = BEGINNING;
  #isOpened = false;

  constructor(
    connection: Connection,
    counters: Counters,
    channels: Pick<Channels, 'isQuiet' | 'allows' | 'denied'>,
    owner: Pick<ReadingOwner, 'onOpen'>,
  ) {
    this.#connection = connection;
    this.#counters = counters;
    this.#channels = channels;
    this.#owner = owner;
  }

  get position(): Position {
    return this.#position;
  }

  /** Whether the first frame has been sent. */
  get isOpened(): boolean {
    return this.#isOpened;
  }

  get hasLeft(): boolean {
    return this.#connection.closed;
  }

  /** Sets the position that the client has until it is sent a message; it may be before the position that the client brought. */
  beginAt(position: Position): void {
    this.#position = position;
  }

  /** There is no further message for the client up to this position. */
  hasAllUpTo(position: Position): void {
    this.#position = laterOf(this.#position, position);
  }

  /** Sends the first frame, and behind it the channels that the client may not read, unless it has left. */
  open(): void {
    if (this.hasLeft) return;
    this.#isOpened = true;
    this.#counters.streamOpened(this.#connection.transport);
    this.#connection.open('ok', this.#position);
    for (const channel of this.#channels.denied) this.#connection.denied(channel, this.#position);
    this.#owner.onOpen();
  }

  give(delivery: Delivery): void {
    const { message } = delivery;
    if (!isAfter(message.id, this.#position)) return;
    if (!this.#channels.isQuiet && !this.#channels.allows(message)) return;
    this.#position = message.id;
    this.#connection.message(delivery);
    this.#counters.messageDelivered(message.payload.length);
    if (message.oversize) this.#countReset('oversize');
  }

  /** `position`: the client's position with this reset, if it is not the one before it. */
  reset(channel: string, reason: ResetReason, position = this.#position): void {
    this.#connection.reset(channel, reason, position);
    this.#countReset(reason);
  }

  /** The client was given so many messages that it had missed, or has left meanwhile. */
  replayed(source: ReplaySource, messages: number): void {
    this.#counters.replayed(source, messages);
  }

  /** Settles when the connection can take more. */
  drained(): Promise<void> {
    return this.#connection.drained();
  }

  noop(): void {
    this.#connection.noop(this.#position);
  }

  close(reason: CloseReason, ending?: Ending): void {
    this.#connection.close(reason, this.#position, ending);
  }

  /** Counts a reset, unless the client has left or was too slow for it: then it was not notified. */
  #countReset(reason: ResetReason): void {
    if (!this.hasLeft) this.#counters.readerReset(reason);
  }
}
