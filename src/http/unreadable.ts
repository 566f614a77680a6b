import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { encodeStatus } from '../connection/encode.ts';
import { encodeHead } from '../connection/response-head.ts';
import type { Counters } from '../counters.ts';
import { SisyphusError } from '../errors.ts';
import type { Position } from '../message/position.ts';
import type { BoundedLog } from './bounded-log.ts';
import { type Exchange, exchangeOf } from './exchange.ts';
import { MAX_HEAD } from './head-size.ts';
import { PAGE_HEADERS } from './page-headers.ts';
import type { StreamHeads } from './stream-head.ts';

export interface UnreadableOptions {
  log: BoundedLog;
  heads: StreamHeads;
  position: () => Position;
  counters: Counters;
  /** The client's address as the log shows it. */
  addressOf: (socket: Socket) => string | undefined;
}

type ParseError = NodeJS.ErrnoException & { rawPacket?: Buffer; reason?: string };

/** How long a client may take to read the response and to end its side (ms). */
const LINGER = 1000;
/** The shortest `retry` of a refused stream (ms); up to twice as long, at random. */
const FAILURE_RETRY = 30_000;

const MEANINGS: Record<string, string> = {
  HPE_INVALID_URL: 'the address has a character that must be percent-encoded: expected %C3%BC for ü, for one',
  HPE_PAUSED_H2_UPGRADE: 'this is HTTP/2: expected HTTP/1.1',
  HPE_INVALID_EOF_STATE: 'the request ended before its end',
};

/** Answers requests that Node cannot parse or that come too late, with a log line for each. */
export function answerUnreadable(server: Server, options: UnreadableOptions): void {
  server.on('clientError', (error: ParseError, stream) => {
    const socket = stream as Socket;
    const exchange = exchangeOf(socket);
    // The connection has a stream, or will have one: errors in what follows its request must not touch it.
    if (exchange.isStream || exchange.isBroken) return;
    exchange.isBroken = true;
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE' || !socket.writable) {
      socket.destroy();
      return;
    }
    // The client has ended its side. An earlier request may be a poll that waits, and nobody would notice that its client has gone.
    if (error.code === 'HPE_INVALID_EOF_STATE') destroyLater(socket);
    const refusal = refusalOf(error);
    tell(refusal, socket, options);
    const isStream = refusal.code === 'headers_too_large' && exchange.beginsAsStream && exchange.last === undefined;
    answer(socket, exchange, refusal, isStream ? streamAnswer(options) : httpAnswer(refusal));
  });
  server.on('connect', (_request: IncomingMessage, stream) => {
    const socket = stream as Socket;
    const exchange = exchangeOf(socket);
    socket.on('error', ignore);
    if (exchange.isStream) return;
    const refusal = new SisyphusError('method_not_allowed', 'this is no proxy: expected GET or POST');
    tell(refusal, socket, options);
    answer(socket, exchange, refusal, httpAnswer(refusal));
  });
}

/** Answers a request of which only the first few bytes came: in time, or before the client ended its side. */
export function answerUnfinished(
  socket: Socket,
  reason: 'late' | 'ended',
  options: Pick<UnreadableOptions, 'log' | 'addressOf'>,
): void {
  const refusal = refusalOf({ code: reason === 'late' ? 'ERR_HTTP_REQUEST_TIMEOUT' : 'HPE_INVALID_EOF_STATE' });
  tell(refusal, socket, options);
  endWith(socket, httpAnswer(refusal));
}

function tell(
  { code, message: reason }: SisyphusError,
  socket: Socket,
  { log, addressOf }: Pick<UnreadableOptions, 'log' | 'addressOf'>,
): void {
  log.warn({ event: 'request_unreadable', code, reason, address: addressOf(socket) });
}

function refusalOf({ code = '', reason, rawPacket }: Partial<ParseError>): SisyphusError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new SisyphusError('headers_too_large', `expected up to ${MAX_HEAD} bytes of headers`);
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new SisyphusError('too_large', 'the chunk extensions are too large: expected none');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new SisyphusError(
        'request_timeout',
        'the request did not come to its end in time: expected all of it at once',
      );
    default: {
      const isTls = code === 'HPE_INVALID_METHOD' && rawPacket?.[0] === 0x16;
      const meaning = isTls
        ? 'this is TLS: expected http:// here, or TLS ended in front of the gateway'
        : MEANINGS[code];
      const text = `the request cannot be read (${reason ?? code}): expected HTTP/1.1`;
      return new SisyphusError('bad_request', meaning ?? text);
    }
  }
}

/** Sends the refusal after the responses to all earlier requests on the connection. */
function answer(socket: Socket, { last, owed }: Exchange, refusal: SisyphusError, text: string): void {
  if (last && !last.request.complete) {
    const { response } = last;
    // The error is in the body of this request, so the refusal is its response, and Node keeps the order.
    if (!response.headersSent) {
      const headers = { ...PAGE_HEADERS, 'Content-Type': JSON_TYPE, Connection: 'close' };
      response.writeHead(refusal.status, headers).end(bodyOf(refusal));
    } else if (response.writableFinished) endWith(socket, '');
    else response.once('finish', () => endWith(socket, ''));
  } else if (last && owed > 0) {
    last.response.once('finish', () => endWith(socket, text));
  } else {
    endWith(socket, text);
  }
}

const JSON_TYPE = 'application/json; charset=utf-8';

function bodyOf({ code, message }: SisyphusError): string {
  return JSON.stringify({ error: code, message });
}

function httpAnswer(refusal: SisyphusError): string {
  const body = bodyOf(refusal);
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    `Content-Type: ${JSON_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(PAGE_HEADERS).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
    `Date: ${new Date().toUTCString()}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** A request for a stream gets a frame, because an EventSource gives up for good on any status but 200. */
function streamAnswer({ heads, position, counters }: UnreadableOptions): string {
  counters.streamRefused('headers_too_large');
  const retry = FAILURE_RETRY * (1 + Math.random());
  const frame = encodeStatus('failure', position(), retry, 'raw', { refusal: 'headers_too_large' });
  return `${encodeHead(heads.for(undefined)).toString('latin1')}${frame}`;
}

function endWith(socket: Socket, text: string): void {
  if (!socket.writable) return;
  socket.end(text);
  // If the socket were closed now with unread bytes, the kernel would send a reset, and the client might lose the response.
  destroyLater(socket);
}

function destroyLater(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}

/** Errors need no handling, because `close` follows each. */
function ignore(): void {}
