import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { HttpRequest, type Peer } from '../auth/http-request.ts';

/** A whole request: `GET /`, `GET /stream` or `GET /rt`, header lines of printable ASCII, and nothing after them. */
const PLAIN = /^GET (\/(?:stream|rt)?(?:\?[!"$-~]*)?) HTTP\/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)\r\n$/;

/** Node reads a request that repeats one of these headers. */
const SINGLE = new Set(['host', 'origin', 'last-event-id']);
/** Node reads a request with one of these headers: it is more than a GET. */
const MORE = new Set(['content-length', 'transfer-encoding', 'upgrade', 'expect']);

/** The first bytes of requests for streams, up to the byte that tells them from other requests. */
const BEGINNINGS = ['GET /?', 'GET / ', 'GET /stream?', 'GET /stream '];
const LONGEST_BEGINNING = 12;
const POLL = 'GET /rt?';

/** Whether a request that begins with these bytes is for a stream; `undefined` if there are too few to tell. */
export function beginsAsStream(bytes: Buffer): boolean | undefined {
  const text = bytes.toString('latin1', 0, LONGEST_BEGINNING);
  if (BEGINNINGS.some((beginning) => text.startsWith(beginning))) return true;
  return BEGINNINGS.some((beginning) => beginning.startsWith(text)) ? undefined : false;
}

/** Whether a request that begins with these bytes is a long poll. One that comes in pieces is left to Node. */
export function beginsAsPoll(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, POLL.length) === POLL;
}

/**
 * Reads a request for a stream, or a long poll, that has arrived in one piece and is in no way unusual. Any other request, valid or not, is left to
 * Node: `undefined`.
 */
export function readStreamRequest(chunk: Buffer, peer: Peer): HttpRequest | undefined {
  const [, target = '', lines] = PLAIN.exec(chunk.toString('latin1')) ?? [];
  if (lines === undefined) return undefined;
  const rawHeaders: string[] = [];
  const found = new Set<string>();
  for (const line of lines.slice(0, -2).split('\r\n')) {
    const colon = line.indexOf(':');
    const rawName = line.slice(0, colon);
    const name = rawName.toLowerCase();
    if (MORE.has(name) || found.has(name)) return undefined;
    if (SINGLE.has(name)) found.add(name);
    const value = line.slice(colon + 1).trim();
    // A browser that opens the address may be led to the console.
    if (target === '/' && name === 'accept' && /text\/html/i.test(value)) return undefined;
    rawHeaders.push(rawName, value);
  }
  return found.has('host') ? new HttpRequest('GET', target, rawHeaders, peer) : undefined;
}

/** Converts a request that Node has read. `more`: parameters to add to those of its address. */
export function streamRequestOf(
  { method = '', url = '', rawHeaders, socket }: IncomingMessage,
  more?: URLSearchParams,
): HttpRequest {
  const request = new HttpRequest(method, url, rawHeaders, new SocketPeer(socket));
  for (const [name, value] of more ?? []) request.query.append(name, value);
  return request;
}

/** Node's internal socket handle. */
interface Handle {
  getpeername?(out: { address?: string }): number;
}

/** The other end of a socket. Node would cache the answer in the socket, 200 bytes of an idle stream, so the handle is asked instead. */
export class SocketPeer implements Peer {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get remoteAddress(): string | undefined {
    const { _handle: handle } = this.#socket as unknown as { _handle?: Handle | null };
    if (!handle?.getpeername) return this.#socket.remoteAddress;
    const out: { address?: string } = {};
    return handle.getpeername(out) === 0 ? out.address : undefined;
  }
}
