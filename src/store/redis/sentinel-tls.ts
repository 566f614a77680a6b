import { type ConnectionOptions, connect } from 'node:tls';
import type { SentinelAddress } from 'ioredis';
import type { RedisTls } from '../../config/redis-certificates.ts';
import { toTlsError } from './tls-error.ts';

/** How long such a connection may take (ms), and the least time between two of them (ms). */
const PATIENCE = 500;
const PERIOD = 2000;

/**
 * Finds out why no Sentinel can be reached by TLS. The driver says only that its connections are closed, so another one that sends
 * nothing is made to a Sentinel now and then.
 */
export class SentinelTls {
  /** Why no safe connection to a Sentinel can be made, as far as it is known. */
  reason: Error | undefined;
  readonly #sentinels: Partial<SentinelAddress>[];
  readonly #options: ConnectionOptions;
  readonly #tls: RedisTls;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looks = 0;

  constructor(sentinels: Partial<SentinelAddress>[], options: ConnectionOptions, tls: RedisTls) {
    this.#sentinels = sentinels;
    this.#options = options;
    this.#tls = tls;
  }

  /** Looks at the next Sentinel, if that is due; the reason is known a moment later. */
  look(): void {
    if (performance.now() - this.#lookedAt < PERIOD) return;
    this.#lookedAt = performance.now();
    const { host = '', port = 26_379 } = this.#sentinels[this.#looks++ % this.#sentinels.length]!;
    const socket = connect({ ...this.#options, host, port });
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      this.reason = error && toTlsError(error, this.#tls);
    };
    const timer = setTimeout(settle, PATIENCE).unref();
    socket.on('error', settle);
    // A Sentinel that asks for a certificate says so after the handshake.
    socket.on('data', () => settle());
  }
}
