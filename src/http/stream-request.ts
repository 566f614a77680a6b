/** What a stream needs of a request. */
export interface StreamRequest {
  querystring: string;
  lastEventId: string | undefined;
  origin: string | undefined;
}

/** GET / or /stream and lines of printable ASCII, with nothing behind them. */
const PLAIN = /^GET \/(?:stream)?(?:\?([!"$-~]*))? HTTP\/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)\r\n$/;

/** Headers that come once, if at all. */
const SINGLE = new Set(['host', 'origin', 'last-event-id']);
/** Headers that mean more than a GET. */
const MORE = new Set(['content-length', 'transfer-encoding', 'upgrade', 'expect']);

/**
 * Reads a request for a stream that came whole and is in no way unusual; `undefined` for any other, right or wrong: Node
 * reads those.
 */
export function readStreamRequest(chunk: Buffer): StreamRequest | undefined {
  const [, querystring = '', lines] = PLAIN.exec(chunk.toString('latin1')) ?? [];
  if (lines === undefined) return undefined;
  const found = new Map<string, string>();
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (MORE.has(name)) return undefined;
    if (!SINGLE.has(name)) continue;
    if (found.has(name)) return undefined;
    found.set(name, line.slice(colon + 1).trim());
  }
  if (!found.has('host')) return undefined;
  return { querystring, lastEventId: found.get('last-event-id'), origin: found.get('origin') };
}
