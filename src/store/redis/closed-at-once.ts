import { connect, type NetConnectOpts } from 'node:net';
import { replyError } from './redis-error.ts';

/** What Redis says to a connection of which it has heard nothing yet comes at once (ms). */
const PATIENCE = 500;
/** How often is looked (ms). */
const PERIOD = 5000;

/**
 * Why connections end as soon as they are made. Redis says that it has as many clients as it allows, and ends the connection;
 * the driver has begun to speak by then, and finds it broken without having read the reason.
 */
export class ClosedAtOnce {
  /** What Redis said, as the driver would have given it. */
  reason: Error | undefined;
  readonly #address: NetConnectOpts | undefined;
  #isMade = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Without an address (TLS, Sentinel) nothing is found. */
  constructor(address: NetConnectOpts | undefined) {
    this.#address = address;
  }

  /** A connection is made, and not answered yet. */
  made(): void {
    this.#isMade = true;
  }

  /** It is answered. */
  answered(): void {
    this.#isMade = false;
    this.reason = undefined;
  }

  /** It has ended: if it was made and never answered, a connection that says nothing itself may read why. */
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
