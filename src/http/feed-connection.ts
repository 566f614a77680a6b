import type { CloseReason } from '../connection/close-reason.ts';
import type { Connection } from '../connection/connection.ts';
import type { Delivery } from '../message/delivery.ts';

export interface FeedListener {
  message(delivery: Delivery): void;
  /** Messages were lost: the state has to be loaded again. */
  reset(): void;
  closed(reason: CloseReason): void;
}

/** The end of a session that feeds something in this process: there is no socket, and nothing to wait for. */
export class FeedConnection implements Connection {
  onClose: (reason: CloseReason) => void = () => undefined;
  readonly transport = 'sync';
  closed = false;
  lastSent = performance.now();
  readonly #listener: FeedListener;

  constructor(listener: FeedListener) {
    this.#listener = listener;
  }

  open(): void {}

  message(delivery: Delivery): void {
    if (!this.closed) this.#listener.message(delivery);
  }

  reset(): void {
    if (!this.closed) this.#listener.reset();
  }

  denied(): void {}

  noop(): void {
    this.lastSent = performance.now();
  }

  async drained(): Promise<void> {}

  acknowledged(): undefined {
    return undefined;
  }

  close(reason: CloseReason): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose(reason);
    this.#listener.closed(reason);
  }
}
