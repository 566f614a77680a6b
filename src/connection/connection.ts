import type { Delivery } from '../message/delivery.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { CloseReason } from './close-reason.ts';
import type { Status } from './encode.ts';
import type { KernelQueues } from './kernel-queues.ts';
import type { Refusal } from './refusal.ts';

/** What a session writes to. Nothing throws; what cannot be written ends the connection. */
export interface Connection {
  /** Called once, when it has ended, whoever ended it. */
  onClose: (reason: CloseReason) => void;
  readonly closed: boolean;
  /** When something was sent last, by the clock that never goes back (ms). */
  readonly lastSent: number;
  /** The first frame. */
  open(status: Status, position: Position): void;
  message(delivery: Delivery): void;
  reset(channel: string, reason: ResetReason, position: Position): void;
  noop(position: Position): void;
  /** Settles when so little is unsent that more may follow, or the connection has ended. */
  drained(): Promise<void>;
  /** How much of what was sent the reader has acknowledged (bytes); `undefined` where that is all of it. */
  acknowledged(queues: KernelQueues): number | undefined;
  /**
   * A last frame, where the reason has one, and the end. `refusal` is for the frame, if it says more than the reason; `times`: by
   * how much later than usual the client should come back.
   */
  close(reason: CloseReason, position: Position, refusal?: Refusal, times?: number): void;
}
