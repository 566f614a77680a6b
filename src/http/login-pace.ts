import type { HttpRequest } from '../auth/http-request.ts';
import { networkOf, type TrustedProxies } from '../auth/trusted-proxies.ts';
import { ALL, type Limits, type RateLimit } from '../limits/limits.ts';

/** Log-ins within a minute: of one address (IPv6: of one /64), and of all together, which also limits how many addresses are remembered. */
const OF_ADDRESS = 20;
const OF_ALL = 3000;
const MINUTE = 60;

/** Limits how often somebody may try to log in. A log-in that succeeds counts too: otherwise parallel ones would be looked at before any is counted. */
export class LoginPace {
  readonly #proxies: Pick<TrustedProxies, 'clientOf'>;
  readonly #addresses: RateLimit;
  readonly #all: RateLimit;

  constructor(proxies: Pick<TrustedProxies, 'clientOf'>, limits: Limits) {
    this.#proxies = proxies;
    this.#addresses = limits.rate('log-ins of an address', OF_ADDRESS, MINUTE);
    this.#all = limits.rate('log-ins', OF_ALL, MINUTE);
  }

  /** Counts a log-in. @returns how long none of this client is looked at (ms); 0 if this one is */
  async take(request: HttpRequest): Promise<number> {
    const wait = await this.#all.take(ALL);
    if (wait > 0) return wait;
    const address = this.#proxies.clientOf(request);
    return this.#addresses.take(address ? networkOf(address).key : 'unknown');
  }
}
