import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { exchangeOf, note } from './exchange.ts';
import { isForStream, isTooLong } from './head-size.ts';
import { inTurn, leaveHttp } from './leave-http.ts';
import type { OpenStream } from './routes/stream.ts';
import { streamRequestOf } from './stream-request.ts';

/** Hands the requests that Node has read to `handle`, apart from those that come behind a request for a stream. */
export function listenForRequests(server: Server, handle: RequestListener, openStream: OpenStream): void {
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const exchange = exchangeOf(request.socket);
    // Its answer could never be sent, so that it must have no effect either.
    if (exchange.isStream) return;
    note(exchange, request, response);
    if (isForStream(request) && isTooLong(request)) refuseLong(request, response, openStream);
    else handle(request, response);
  };
  server.on('request', take);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const { isStream } = exchangeOf(request.socket);
    // A stream goes past its response, which would write this into it when its turn has come.
    if (!isStream && request.method !== 'GET') response.writeContinue();
    take(request, response);
  });
  // Node would answer 417, without a word; whoever expects something else may be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', take);
}

/** On any status but 200 an EventSource would give up for good. */
function refuseLong(request: IncomingMessage, response: ServerResponse, openStream: OpenStream): void {
  exchangeOf(request.socket).isStream = true;
  const streamRequest = { ...streamRequestOf(request), refusal: 'headers_too_large' as const };
  inTurn(response, (socket) => {
    leaveHttp(socket);
    openStream(socket, streamRequest);
  });
}
