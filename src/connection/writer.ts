import type { KernelQueues } from './kernel-queues.ts';
import type { ResponseHead } from './response-head.ts';

/**
 * The transport below one response: a socket (`SocketWriter`), or whatever else can be written to in order, such as a stream of
 * HTTP/2. Nothing throws; a transport that fails closes.
 */
export interface Writer {
  /** Whether more may be written. */
  readonly isOpen: boolean;
  /** Bytes that were written and that the transport has not taken yet. One write may count until all of it is taken. */
  readonly unsent: number;
  /** Bytes that were written so far. */
  readonly written: number;
  /** How many of them the transport has taken so far, exactly: the number rises while the client reads. */
  readonly taken: number;
  /** Calls `act` once, when the transport has closed, whoever closed it. */
  onceClosed(act: () => void): void;
  /** Sends the head of the response together with the first bytes of its body. Answers as `write` does. */
  begin(head: ResponseHead, first: Buffer): boolean;
  /** Sends the bytes behind everything that was written before. Answers whether the transport has taken all of them. */
  write(data: Buffer): boolean;
  /** Settles when the transport has taken everything that was written, or has closed. */
  drained(): Promise<void>;
  /** How much of what was written the client has acknowledged (bytes); `undefined` if that is all of it, or is not known. */
  acknowledged(queues: KernelQueues): number | undefined;
  /** Ends the response with these bytes, if there are any; a client that does not take them is cut off after 2 s. */
  end(last?: Buffer): void;
  /** Closes the transport at once, and drops what it has not taken. */
  destroy(): void;
  /** The same, and drops also what the transport has taken and the client has not acknowledged. */
  reset(): void;
}
