import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../connection/refusal.ts';

/** What a stream needs of a request. */
export interface StreamRequest {
  querystring: string;
  lastEventId: string | undefined;
  origin: string | undefined;
  /** Set if the stream is refused whoever the user is. */
  refusal?: Refusal;
}

/** GET / or /stream and lines of printable ASCII, with nothing behind them. */
const PLAIN = /^GET \/(?:stream)?(?:\?([!"$-~]*))? HTTP\/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)\r\n$/;

/** Headers that come once, if at all. */
const SINGLE = new Set(['host', 'origin', 'last-event-id']);
/** Headers that mean more than a GET. */
const MORE = new Set(['content-length', 'transfer-encoding', 'upgrade', 'expect']);

/** The first bytes of a request for a stream, up to the byte that decides. */
const BEGINNINGS = ['GET /?', 'GET / ', 'GET /stream?', 'GET /stream '];
const LONGEST_BEGINNING = 12;

/** Whether a request that begins with these bytes is for a stream; `undefined` if there are too few to tell. */
export function beginsAsStream(bytes: Buffer): boolean | undefined {
  const text = bytes.toString('latin1', 0, LONGEST_BEGINNING);
  if (BEGINNINGS.some((beginning) => text.startsWith(beginning))) return true;
  return BEGINNINGS.some((beginning) => beginning.startsWith(text)) ? undefined : false;
}

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

/** The same from a request that Node has read. */
export function streamRequestOf({ url = '', headers }: IncomingMessage): StreamRequest {
  const [, querystring = ''] = /\?([^#]*)/.exec(url) ?? [];
  return {
    querystring,
    lastEventId: headers['last-event-id']?.toString(),
    origin: headers.origin,
  };
}
