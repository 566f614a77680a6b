import ipaddr from 'ipaddr.js';
import type { Range } from '../auth-values.ts';
import type { HttpRequest } from './http-request.ts';

export type Address = ReturnType<typeof ipaddr.process>;

/** The addresses whose headers are believed, because they are proxies of the operator. */
export class TrustedProxies {
  readonly #ranges: readonly Range[];

  constructor(ranges: readonly Range[]) {
    // An IPv4 address that is written as IPv6 is compared as IPv4.
    this.#ranges = ranges.map(([address, bits]) => [ipaddr.process(address.toString()), bits] as Range);
  }

  trusts(address: string | undefined): boolean {
    const parsed = parse(address);
    return parsed !== undefined && this.#has(parsed);
  }

  /**
   * The address of the client: that of the connection, or, if a trusted proxy has connected, the last one in `X-Forwarded-For` that is no
   * trusted proxy. Everything before that one is only what the client says. `undefined` if the connection is closed.
   */
  clientOf(request: HttpRequest): Address | undefined {
    let client = parse(request.remoteAddress);
    if (!client || this.#ranges.length === 0) return client;
    const hops = request.valuesOf('x-forwarded-for').join(',').split(',');
    while (this.#has(client) && hops.length > 0) {
      const hop = parse(withoutPort(hops.pop()!.trim()));
      if (!hop) break;
      client = hop;
    }
    return client;
  }

  #has(address: Address): boolean {
    return this.#ranges.some(([range, bits]) => address.kind() === range.kind() && address.match(range, bits));
  }
}

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(text: string): string {
  const [, inBrackets] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? [];
  return inBrackets ?? text.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
}

function parse(text: string | undefined): Address | undefined {
  // A zone (`fe80::1%eth0`) names an interface of this machine.
  const address = text?.replace(/%.*$/, '');
  if (address === undefined) return undefined;
  const isWritten = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address);
  return isWritten ? ipaddr.process(address) : undefined;
}
