import type { Socket } from 'node:net';
import { HttpRequest } from '../auth/http-request.ts';
import { type Network, networkOf, TrustedProxies } from '../auth/trusted-proxies.ts';
import type { Config } from '../config/config.ts';
import type { Refusal } from '../connection/refusal.ts';
import { ALL, type Limits, type RateLimit } from '../limits/limits.ts';
import { LocalLimits } from '../limits/local-limits.ts';
import { SocketPeer } from './stream-request.ts';

/** The time in which bad credentials of an address are counted (s). */
const MINUTE = 60;
/**
 * How many addresses with a bad credential are counted within a minute. An entry takes 450 bytes (measured) and lives for a minute, so all
 * of them take at most 18 MB. Addresses beyond that are not counted: a client that has so many of them could evade any limit.
 */
const MAX_ADDRESSES = 20_000;
/** How many addresses are remembered; parsing one takes 2 to 8 µs. */
const MAX_KNOWN = 10_000;

/** Refusals of credentials that a guess or a forgery would cause. An expired credential, for one, was once good. */
const BAD = new Set<Refusal>(['malformed', 'signature', 'refused', 'revoked', 'untrusted']);

export type ClientLimitsOptions = Pick<
  Config,
  'maxFailures' | 'maxOpens' | 'maxStreamsPerAddress' | 'trustedProxies' | 'logAddresses'
>;

/** By what a client is counted for each limit; `undefined`: it is not counted. */
export interface Counted {
  streams: string | undefined;
  failures: string | undefined;
  /** What lines of the log have of its address: an IPv4 address, or a network of IPv6. */
  shown: string | undefined;
}

/**
 * The limits of clients that hold before it is known who they are: by their addresses, and all together. With them, opening a stream takes
 * 2 µs more over IPv4 and 3 µs over IPv6; 0.8 of it is the system call that reads the address (measured on a busy machine).
 */
export class ClientLimits {
  readonly #options: ClientLimitsOptions;
  readonly #proxies: TrustedProxies;
  readonly #opens: RateLimit;
  readonly #failures: RateLimit;
  readonly #addresses: RateLimit;
  /** What was found for addresses that have connected, and that are no trusted proxies: most clients come from few of them. */
  #known = new Map<string, Counted>();

  /** @param limits by default this process counts alone */
  constructor(options: ClientLimitsOptions, limits: Limits = new LocalLimits()) {
    this.#options = options;
    this.#proxies = new TrustedProxies(options.trustedProxies);
    this.#opens = limits.rate('opens', options.maxOpens, 1);
    this.#failures = limits.rate('failures', options.maxFailures.most, MINUTE);
    this.#addresses = limits.rate('addresses', MAX_ADDRESSES, MINUTE);
  }

  counted(request: HttpRequest): Counted {
    const { remoteAddress = '' } = request;
    const known = this.#known.get(remoteAddress);
    if (known) return known;
    const address = this.#proxies.clientOf(request);
    const network = address && networkOf(address);
    const { maxStreamsPerAddress, maxFailures, logAddresses } = this.#options;
    const shown = logAddresses === 'on' ? network?.key : undefined;
    const [streams, failures] = [keyFor(maxStreamsPerAddress, network), keyFor(maxFailures, network)];
    const counted = { streams, failures, shown };
    if (!this.#proxies.trusts(remoteAddress)) this.#remember(remoteAddress, counted);
    return counted;
  }

  /** The client of a connection whose request could not be read; a proxy, if there is one. */
  shownOf(socket: Socket): string | undefined {
    return this.counted(new HttpRequest('GET', '/', [], new SocketPeer(socket))).shown;
  }

  #remember(address: string, counted: Counted): void {
    if (this.#known.size >= MAX_KNOWN) this.#known = new Map();
    this.#known.set(address, counted);
  }

  /** Counts a new stream. @returns whether there may be one more within this second */
  async mayOpen(): Promise<boolean> {
    return (await this.#opens.take(ALL)) === 0;
  }

  /** How long no credential of the client is looked at, because too many were bad (ms); 0 if there were not. */
  async waitOf({ failures }: Counted): Promise<number> {
    return failures === undefined ? 0 : this.#failures.wait(failures);
  }

  /** Counts a bad credential. Other refusals are not counted. */
  async failed({ failures }: Counted, refusal: Refusal): Promise<void> {
    if (failures === undefined || !BAD.has(refusal)) return;
    const isKnown = await this.#failures.has(failures);
    if (isKnown || (await this.#addresses.take(ALL)) === 0) await this.#failures.take(failures);
  }
}

function keyFor({ isPublicOnly }: { isPublicOnly: boolean }, network: Network | undefined): string | undefined {
  return network === undefined || (isPublicOnly && !network.isPublic) ? undefined : network.key;
}
