import type { HttpRequest } from '../../auth/http-request.ts';
import { networkOf, type TrustedProxies } from '../../auth/trusted-proxies.ts';
import { ALL, type Limits, type RateLimit } from '../../limits/limits.ts';

/** Log-ins of one address (IPv6: of one /64) within a minute. */
const OF_ADDRESS = 20;
/** Addresses that log in within a minute. It limits how many are remembered. */
const ADDRESSES = 3000;
const MINUTE = 60;

/** Limits how often somebody may try to log in. A log-in that succeeds counts too: otherwise parallel ones would be looked at before any is counted. */
export class LoginPace {
  readonly #proxies: Pick<TrustedProxies, 'clientOf'>;
  readonly #logins: RateLimit;
  readonly #addresses: RateLimit;

  constructor(proxies: Pick<TrustedProxies, 'clientOf'>, limits: Limits) {
    this.#proxies = proxies;
    this.#logins = limits.rate('log-ins of an address', OF_ADDRESS, MINUTE);
    this.#addresses = limits.rate('addresses of log-ins', ADDRESSES, MINUTE);
  }

  /** Counts a log-in. @returns how long none of this client is looked at (ms); 0 if this one is */
  async take(request: HttpRequest): Promise<number> {
    const address = this.#proxies.clientOf(request);
    const key = address ? networkOf(address).key : 'unknown';
    // An address counts once among all: otherwise one that tries without end would keep everybody out.
    const wait = (await this.#logins.has(key)) ? 0 : await this.#addresses.take(ALL);
    return wait > 0 ? wait : this.#logins.take(key);
  }
}
