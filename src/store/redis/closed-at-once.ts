import { connect, type NetConnectOpts } from 'node:net';
import { replyError } from './redis-error.ts';

/** How long to wait for an error reply on a new connection (ms): if Redis refuses the connection, it replies at once. */
const PATIENCE = 500;
/** The least time between two such looks (ms). */
const PERIOD = 5000;

/**
 * Finds out why connections end as soon as they are made. If Redis has as many clients as it allows, it replies so and ends the
 * connection. The driver has begun to write by then, and finds the connection broken without having read the reason.
 */
export class ClosedAtOnce {
  /** The error reply of Redis, in the form in which the driver would have reported it. */
  reason: Error | undefined;
  readonly #address: NetConnectOpts | undefined;
  #isMade = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Without an address (TLS, Sentinel) no reason is found. */
  constructor(address: NetConnectOpts | undefined) {
    this.#address = address;
  }

  /** A connection was made; Redis has not answered on it yet. */
  made(): void {
    this.#isMade = true;
  }

  /** Redis has answered on the connection. */
  answered(): void {
    this.#isMade = false;
    this.reason = undefined;
  }

  /** The connection has ended. If Redis never answered on it, a second one, on which nothing is sent, may receive the reason. */
  ended(): void {
    const isAtOnce = this.#isMade;
    this.#isMade = false;
    if (!isAtOnce) this.reason = undefined;
    if (!isAtOnce || !this.#address || performance.now() - this.#lookedAt < PERIOD) return;
    this.#lookedAt = performance.now();
    void peek(this.#address).then((text) => {
      this.reason = text === undefined ? undefined : replyError(text);
    });
  }
}

function peek(address: NetConnectOpts): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const settle = (text?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(settle, PATIENCE).unref();
    socket.on('data', (data) => settle(/^-(.*)\r\n/.exec(data.toString('latin1'))?.[1]));
    socket.on('error', () => settle());
    socket.on('close', () => settle());
  });
}
