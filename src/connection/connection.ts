import type { Delivery } from '../message/delivery.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { CloseReason } from './close-reason.ts';
import type { Status } from './encode.ts';
import type { KernelQueues } from './kernel-queues.ts';
import type { Ending } from './refusal.ts';
import type { Transport } from './transport.ts';

/** A client's stream, as a session writes to it. No method throws: if something cannot be written, the connection ends. */
export interface Connection {
  /** Called once, when the connection has ended, by either side. */
  onClose: (reason: CloseReason) => void;
  readonly closed: boolean;
  readonly transport: Transport;
  /** When the last frame was sent (ms, monotonic clock). */
  readonly lastSent: number;
  /** Sends the first frame. */
  open(status: Status, position: Position): void;
  message(delivery: Delivery): void;
  reset(channel: string, reason: ResetReason, position: Position): void;
  /** The client has asked for this channel and may not read it. */
  denied(channel: string, position: Position): void;
  noop(position: Position): void;
  /** Settles when the unsent bytes have fallen low enough for more to be written, or when the connection has ended. */
  drained(): Promise<void>;
  /** How many of the sent bytes the client's TCP has acknowledged; `undefined` if it has acknowledged all of them, or if unknown. */
  acknowledged(queues: KernelQueues): number | undefined;
  /** Sends a last frame, if the reason has one, and ends the connection. */
  close(reason: CloseReason, position: Position, ending?: Ending): void;
}
