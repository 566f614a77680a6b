import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** State of a connection that Node's HTTP reads, which Node does not expose. */
export interface Exchange {
  /** The connection's first request is for a stream. Node does not expose a head that is too long, so this is kept. */
  readonly beginsAsStream: boolean;
  /** The latest request and its response. */
  last: { request: IncomingMessage; response: ServerResponse } | undefined;
  /** Requests whose responses are not finished yet. */
  owed: number;
  /** A stream was requested: later requests on the connection are ignored, and only the stream is written to it. */
  isStream: boolean;
  /** Node's parser failed, and the error has been handled. */
  isBroken: boolean;
}

const exchanges = new WeakMap<Socket, Exchange>();

/** To be called before a connection is passed to Node's HTTP. */
export function beginExchange(socket: Socket, beginsAsStream: boolean): Exchange {
  const exchange = { beginsAsStream, last: undefined, owed: 0, isStream: false, isBroken: false };
  exchanges.set(socket, exchange);
  return exchange;
}

export function exchangeOf(socket: Socket): Exchange {
  return exchanges.get(socket) ?? beginExchange(socket, false);
}

/**
 * To be called when Node has read the head of a request.
 *
 * @param onRest called when all responses are finished, and the connection may bring another request
 */
export function noteRequest(
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
  onRest: (socket: Socket) => void,
): void {
  const { socket } = request;
  exchange.last = { request, response };
  exchange.owed++;
  response.once('finish', () => {
    exchange.owed--;
    if (exchange.owed === 0 && !exchange.isStream && !socket.destroyed) onRest(socket);
  });
}
