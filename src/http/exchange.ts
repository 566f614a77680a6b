import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What Node's HTTP does not say of a connection that it reads. */
export interface Exchange {
  /** The first bytes are those of a request for a stream: Node does not show them if the head turns out to be too long. */
  readonly beginsAsStream: boolean;
  /** The request that was read last, and its response. */
  last: { request: IncomingMessage; response: ServerResponse } | undefined;
  /** Requests that were read and are not answered yet. */
  owed: number;
  /** A stream has been asked for: nothing that comes behind is read, and nothing but the stream is written behind. */
  isStream: boolean;
  /** Node can read no further, and this has been dealt with. */
  isBroken: boolean;
}

const exchanges = new WeakMap<Socket, Exchange>();

/** A connection is about to be given to Node's HTTP. */
export function beginExchange(socket: Socket, beginsAsStream: boolean): Exchange {
  const exchange = { beginsAsStream, last: undefined, owed: 0, isStream: false, isBroken: false };
  exchanges.set(socket, exchange);
  return exchange;
}

export function exchangeOf(socket: Socket): Exchange {
  return exchanges.get(socket) ?? beginExchange(socket, false);
}

/** Node has read the head of a request. */
export function note(exchange: Exchange, request: IncomingMessage, response: ServerResponse): void {
  exchange.last = { request, response };
  exchange.owed++;
  response.once('finish', () => exchange.owed--);
}
