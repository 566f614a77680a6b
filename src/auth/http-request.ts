/** What a request knows of its connection. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
}

/** Scheme and authority, which only a proxy is sent, path, and query. */
const TARGET = /^(?:https?:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i;

/** The head of a request, whoever has read it. Headers are kept as they came: to repeat one may be an attack. */
export class HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Name, value, name, value, … in the order in which they came. */
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
   * The other end of the connection: a proxy, if there is one; `undefined` when the connection is closed. It is not read before
   * somebody asks, because the socket of an idle stream would keep it.
   */
  get remoteAddress(): string | undefined {
    return this.#peer.remoteAddress;
  }

  /** Every value of a header, in the order in which they came. @param name in small letters */
  valuesOf(name: string): string[] {
    return this.rawHeaders.filter((_, i, all) => i % 2 === 1 && isNamed(all[i - 1]!, name));
  }
}

function isNamed(raw: string, name: string): boolean {
  return raw.length === name.length && raw.toLowerCase() === name;
}
