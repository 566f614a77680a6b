/** The part of a request's connection that `HttpRequest` reads. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
}

/** Matches a request target and captures path and query. Scheme and authority are optional: only proxies receive them. */
const TARGET = /^(?:https?:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i;

/** The head of a request, read by Node or by the gateway. Repeated headers are kept, because repeating one may be an attack. */
export class HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Name, value, name, value, … in the order in which they were received. */
  readonly rawHeaders: readonly string[];
  readonly #peer: Peer;

  constructor(method: string, target: string, rawHeaders: readonly string[], peer: Peer) {
    const [, path = '', query] = TARGET.exec(target) ?? [];
    this.method = method;
    this.path = path === '' ? '/' : path;
    this.query = new URLSearchParams(query);
    this.rawHeaders = rawHeaders;
    this.#peer = peer;
  }

  /**
   * The address of the other end of the connection: a proxy's, if there is one; `undefined` if the connection is closed. It is
   * read only on demand, because that is a system call.
   */
  get remoteAddress(): string | undefined {
    return this.#peer.remoteAddress;
  }

  /** Every value of a header, in the order in which they were received. @param name in lower case */
  valuesOf(name: string): string[] {
    return this.rawHeaders.filter((_, i, all) => i % 2 === 1 && isNamed(all[i - 1]!, name));
  }
}

function isNamed(raw: string, name: string): boolean {
  return raw.length === name.length && raw.toLowerCase() === name;
}
