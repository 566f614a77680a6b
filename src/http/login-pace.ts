import type { HttpRequest } from '../auth/http-request.ts';
import { networkOf, type TrustedProxies } from '../auth/trusted-proxies.ts';
import { Rate } from './rate.ts';

/** Log-ins within a minute: of one address (IPv6: of one /64), and of all together, which also limits how many addresses are remembered. */
const OF_ADDRESS = 20;
const OF_ALL = 3000;
const MINUTE = 60;

/** Limits how often somebody may try to log in. A log-in that succeeds counts too: otherwise parallel ones would be looked at before any is counted. */
export class LoginPace {
  readonly #proxies: Pick<TrustedProxies, 'clientOf'>;
  readonly #addresses = new Rate(OF_ADDRESS, MINUTE);
  readonly #all = new Rate(OF_ALL, MINUTE);

  constructor(proxies: Pick<TrustedProxies, 'clientOf'>) {
    this.#proxies = proxies;
  }

  /** Counts a log-in. @returns how long none of this client is looked at (ms); 0 if this one is */
  async take(request: HttpRequest): Promise<number> {
    const wait = await this.#all.take('all');
    if (wait > 0) return wait;
    const address = this.#proxies.clientOf(request);
    return this.#addresses.take(address ? networkOf(address).key : 'unknown');
  }
}
