import type { KernelQueues } from './kernel-queues.ts';
import type { ResponseHead } from './response-head.ts';

/**
 * The transport below one response: a socket (`SocketWriter`), or anything else that is written to in order, such as an HTTP/2
 * stream. No method throws: a transport that fails closes.
 */
export interface Writer {
  /** Whether more may be written. */
  readonly isOpen: boolean;
  /** Bytes that were written and that the transport has not taken yet. A write may count in full until all of it is taken. */
  readonly unsent: number;
  /** Bytes written so far. */
  readonly written: number;
  /** How many of the written bytes the transport has taken so far. The number is exact, and rises while the client reads. */
  readonly taken: number;
  /** Calls `act` once, when the transport has closed, by either side. */
  onceClosed(act: () => void): void;
  /** Sends the head of the response together with the first bytes of its body. Returns the same as `write`. */
  begin(head: ResponseHead, first: Buffer): boolean;
  /** Sends the bytes after everything that was written before. Returns whether the transport has taken all bytes so far. */
  write(data: Buffer): boolean;
  /** Settles when the transport has taken everything that was written, or has closed. */
  drained(): Promise<void>;
  /** How many of the written bytes the client has acknowledged; `undefined` if it has acknowledged all of them, or if unknown. */
  acknowledged(queues: KernelQueues): number | undefined;
  /** Ends the response with these bytes, if given. A client that does not take them is disconnected after `within` ms, by default 2 s. */
  end(last?: Buffer, within?: number): void;
  /** Closes the transport at once, and drops the bytes that it has not taken. */
  destroy(): void;
  /** Closes the transport at once, and drops all bytes that the client has not acknowledged, including those already taken. */
  reset(): void;
}
