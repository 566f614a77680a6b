import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { exchangeOf, noteRequest } from './exchange.ts';
import { isForStream, isTooLong } from './head-size.ts';
import { inTurn, leaveHttp } from './leave-http.ts';
import type { PendingHeads } from './pending-heads.ts';
import type { OpenStream } from './routes/stream.ts';
import { streamRequestOf } from './stream-request.ts';

/** Passes each request that Node has read to `handle`, except those that follow a request for a stream on its connection. */
export function listenForRequests(
  server: Server,
  handle: RequestListener,
  openStream: OpenStream,
  pending?: Pick<PendingHeads, 'delete' | 'rest'>,
): void {
  const rest = (socket: Socket): void => pending?.rest(socket);
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    pending?.delete(request.socket);
    const exchange = exchangeOf(request.socket);
    // The response could never be sent, so the request must not have an effect either.
    if (exchange.isStream) return;
    noteRequest(exchange, request, response, rest);
    if (isForStream(request) && isTooLong(request)) refuseLong(request, response, openStream);
    else handle(request, response);
  };
  server.on('request', take);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const { isStream } = exchangeOf(request.socket);
    // A stream writes to the socket itself. If its response is still queued, Node would flush `100 Continue` into the stream later.
    if (!isStream && request.method !== 'GET') response.writeContinue();
    take(request, response);
  });
  // Without a listener Node answers 417 with no body and no log line. A server may ignore other expectations (RFC 9110, 10.1.1).
  server.on('checkExpectation', take);
}

/** Refuses with a frame instead of 431, because an EventSource gives up for good on any status but 200. */
function refuseLong(request: IncomingMessage, response: ServerResponse, openStream: OpenStream): void {
  exchangeOf(request.socket).isStream = true;
  const streamRequest = streamRequestOf(request);
  inTurn(response, (socket) => {
    leaveHttp(socket);
    openStream(socket, streamRequest, 'headers_too_large');
  });
}
