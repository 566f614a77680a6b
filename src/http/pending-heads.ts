import type { Socket } from 'node:net';
import type { Counters } from '../counters.ts';
import type { BoundedLog } from './bounded-log.ts';

/** How many connections may be without a request at a time, before the oldest of them are closed. */
const MOST = 1000;
/** How long a connection is left alone if more than `MOST` are without a request (ms). */
const CROWDED = 1000;
/** How long a connection is left alone if few files are left (ms). */
const SHORT = 200;

export interface PendingHeadsOptions {
  counters: Pick<Counters, 'connectionDropped'>;
  log: Pick<BoundedLog, 'warnOnce'>;
  most?: number;
  /** A monotonic clock (ms). */
  now?: () => number;
}

/**
 * The connections on which the head of the first request has not arrived. Each is an open file that costs a stranger nothing, and has
 * 10 s as a rule. If there are too many, or if few files are left, the oldest are closed sooner: a client that means it sends its head
 * at once.
 */
export class PendingHeads {
  readonly #options: PendingHeadsOptions;
  readonly #now: () => number;
  /** The time of connecting (ms); the oldest come first. */
  readonly #since = new Map<Socket, number>();
  #closing: NodeJS.Immediate | undefined;

  constructor(options: PendingHeadsOptions) {
    this.#options = options;
    this.#now = options.now ?? performance.now.bind(performance);
  }

  get size(): number {
    return this.#since.size;
  }

  add(socket: Socket): void {
    this.#since.set(socket, this.#now());
  }

  /** To be called when the head has arrived, or the connection has ended. */
  delete(socket: Socket): void {
    this.#since.delete(socket);
  }

  /** To be called once a second: closes the oldest connections if there are too many. */
  thin(): void {
    const { most = MOST } = this.#options;
    if (this.size > most) this.#closeSoon(CROWDED, most);
  }

  /** To be called if few files are left. */
  hurry(): void {
    this.#closeSoon(SHORT, 0);
  }

  /** Waits until the event loop has read all sockets: if it was late, heads may have arrived that it has not read. */
  #closeSoon(age: number, most: number): void {
    this.#closing ??= setImmediate(() => {
      this.#closing = undefined;
      this.#close(age, most);
    });
  }

  #close(age: number, most: number): void {
    const until = this.#now() - age;
    let closed = 0;
    for (const [socket, since] of this.#since) {
      if (since > until || this.size <= most) break;
      this.#since.delete(socket);
      this.#options.counters.connectionDropped();
      socket.destroy();
      closed++;
    }
    if (closed === 0) return;
    const reason = 'too many connections have sent no request: expected one at once';
    this.#options.log.warnOnce('heads_dropped', { event: 'heads_dropped', closed, pending: this.size, reason });
  }
}
