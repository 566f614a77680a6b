import type { Socket } from 'node:net';
import type { Counters } from '../counters.ts';
import type { BoundedLog } from './bounded-log.ts';

/**
 * How many connections may be without a request at a time, before the oldest of them are closed. When all clients come at once over slow
 * networks, or from one busy machine, thousands may wait for more than a second.
 */
const MOST = 10_000;
/** How long a connection is left alone if more than `MOST` are without a request (ms). */
const CROWDED = 3000;
/** How long a connection is left alone if few files are left (ms). */
const SHORT = 1000;

export interface PendingHeadsOptions {
  counters: Pick<Counters, 'connectionDropped'>;
  log: Pick<BoundedLog, 'warnOnce'>;
  /** The client's address as the log shows it. */
  addressOf?: (socket: Socket) => string | undefined;
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
  /** The same for connections between two requests, by the end of the last response (ms). */
  readonly #resting = new Map<Socket, number>();
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
    this.#resting.delete(socket);
  }

  /** To be called when a connection has its response, and may bring another request. It is closed only if few files are left. */
  rest(socket: Socket): void {
    this.#resting.set(socket, this.#now());
  }

  /** To be called once a second: closes the oldest connections if there are too many. */
  thin(): void {
    const { most = MOST } = this.#options;
    if (this.size > most) this.#closeSoon(() => this.#closePending(CROWDED, most));
  }

  /** To be called if few files are left. */
  hurry(): void {
    this.#closeSoon(() => {
      this.#closeOldest(this.#resting, SHORT, 0);
      this.#closePending(SHORT, 0);
    });
  }

  /** Waits until the event loop has read all sockets: if it was late, heads may have arrived that it has not read. */
  #closeSoon(close: () => void): void {
    this.#closing ??= setImmediate(() => {
      this.#closing = undefined;
      close();
    });
  }

  #closePending(age: number, most: number): void {
    const [oldest] = this.#since.keys();
    const address = oldest && this.#options.addressOf?.(oldest);
    const closed = this.#closeOldest(this.#since, age, most);
    if (closed === 0) return;
    for (let i = 0; i < closed; i++) this.#options.counters.connectionDropped();
    const reason = 'too many connections have sent no request: expected one at once';
    const line = { event: 'heads_dropped', closed, pending: this.size, reason, address };
    this.#options.log.warnOnce('heads_dropped', line);
  }

  /** Closes the oldest of these connections, until `most` are left. @returns how many it has closed */
  #closeOldest(sockets: Map<Socket, number>, age: number, most: number): number {
    const until = this.#now() - age;
    let closed = 0;
    for (const [socket, since] of sockets) {
      if (since > until || sockets.size <= most) break;
      sockets.delete(socket);
      socket.destroy();
      closed++;
    }
    return closed;
  }
}
