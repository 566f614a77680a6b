import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from 'koa';
import type { Refused } from '../../auth/authenticator.ts';
import type { HttpRequest } from '../../auth/http-request.ts';
import type { Connection } from '../../connection/connection.ts';
import { EventStream } from '../../connection/event-stream.ts';
import { PollResponse } from '../../connection/poll-response.ts';
import type { Refusal } from '../../connection/refusal.ts';
import { SocketWriter } from '../../connection/socket-writer.ts';
import type { Position } from '../../message/position.ts';
import { OPENING } from '../../patience.ts';
import { type From, positionOf } from '../../reading/start.ts';
import { Admission } from '../../session/admission.ts';
import { Session } from '../../session/session.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { HttpContext } from '../context.ts';
import { Entrance, type EntranceOptions, FULL } from '../entrance.ts';
import { exchangeOf } from '../exchange.ts';
import { inTurn, leaveHttp } from '../leave-http.ts';
import { openInTurn } from '../open-in-turn.ts';
import { readBody } from '../read-body.ts';
import { parseStreamBody } from '../stream-body.ts';
import { STREAM_HEADERS, type StreamHeads } from '../stream-head.ts';
import { readStreamQuery } from '../stream-query.ts';
import { streamRequestOf } from '../stream-request.ts';

/** Refusals that stay the same if the client tries again. */
const FAILURES = new Set<Refusal>([
  ...(['missing', 'malformed', 'expired', 'not_yet', 'signature', 'audience', 'refused', 'revoked'] as const),
  ...(['untrusted', 'headers_too_large'] as const),
]);

/**
 * Opens a stream on a socket. With a `refusal` the stream is refused for that reason, and the client is not identified. `from`: if the stream
 * begins with the last messages, those before the id that it answers are left out.
 */
export type OpenStream = (socket: Socket, request: HttpRequest, refusal?: Refusal, from?: From) => void;

export interface StreamOpenerOptions extends EntranceOptions {
  heads: StreamHeads;
  log: BoundedLog;
}

/** GET and HEAD / and /stream, for requests that Node has read because `openStreamDoor` passed them on. */
export function stream(openStream: OpenStream): (ctx: Context) => void {
  return (ctx) => {
    const { req: request, res: response } = ctx;
    ctx.respond = false;
    if (ctx.method === 'HEAD') {
      response.removeHeader('Transfer-Encoding');
      response.writeHead(200, STREAM_HEADERS).end();
      return;
    }
    handOver(request, response, streamRequestOf(request), openStream);
  };
}

/** POST /stream: the same, with parameters in a JSON body. A body that cannot be read is answered as on the other routes. */
export function postStream(openStream: OpenStream, maxMessage: () => number): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { req: request, res: response } = ctx;
    const parameters = parseStreamBody(ctx.get('Content-Type'), await readBody(request, maxMessage()));
    ctx.respond = false;
    handOver(request, response, streamRequestOf(request, parameters), openStream);
  };
}

/** Opens the stream on the socket of a request that Node has read. */
export function handOver(
  request: IncomingMessage,
  response: ServerResponse,
  asked: HttpRequest,
  openStream: OpenStream,
  from?: From,
): void {
  exchangeOf(request.socket).isStream = true;
  inTurn(response, (socket) => {
    leaveHttp(socket);
    openStream(socket, asked, undefined, from);
  });
}

/**
 * Creates the function that opens a stream for each request. The status is always 200, because a browser gives up for good on any
 * other; the first frame has the reason of a refusal.
 */
export function streamOpener(context: HttpContext, options: StreamOpenerOptions): OpenStream {
  const { config, flusher, hub } = context;
  const { authenticator, heads, log } = options;
  const admission = new Admission();
  const entrance = new Entrance(context, options);
  const isConflated = (channel: string): boolean => hub.isConflated(channel);
  return async (socket, request, refusal, from) => {
    const begun = performance.now();
    const { format, start: asked, named, isPoll, notes } = readStreamQuery(request, authenticator.parameters);
    const start = asked.kind === 'overlap' ? { ...asked, from } : asked;
    for (const note of notes) log.warnOnce(note, { event: 'parameter_ignored', reason: note });
    const head = heads.for(request.valuesOf('origin').join(', '));
    const writer = new SocketWriter(socket);
    const { maxBuffer, noopInterval, maxChannels } = config;
    const isFirst = start.kind === 'now';
    const connection = isPoll
      ? new PollResponse({ writer, head, notes, format, maxBuffer, isConflated, noopInterval, isFirst })
      : new EventStream({ writer, head, notes, noopInterval, format, flusher, maxBuffer, isConflated });
    const listener = await entrance.admit({ socket, request, connection, named, begun, refusal });
    // The client has left meanwhile.
    if (!listener) return;
    const turnAway = (refused: Refused): void => {
      if (refused.limit) context.counters.limitReached(refused.limit);
      if (!connection.closed) refuse(connection, positionOf(start, hub.position), refused, log);
    };
    if ('refusal' in listener) {
      context.counters.streamRefused(listener.refusal);
      turnAway(listener);
      return;
    }
    const { backlog, logger, counters, recordsPlain, repeats } = context;
    const { user, credential, begun: since } = listener;
    const { granted, hasList } = entrance.rightsOf(listener, named);
    // biome-ignore format: what all streams share, and what each has of its own
    const session = new Session({
      hub, backlog, logger, counters, recordsPlain, repeats, maxBuffer, maxChannels,
      user, credential, begun: since, granted, hasList, named, connection,
    });
    if (connection instanceof PollResponse) {
      connection.onReset = () => {
        if (!session.isHolding) session.noop();
      };
    }
    const fleet = context.sessions.add(session, listener.expires, listener.address)?.then((isAdmitted) => {
      if (isAdmitted) return;
      turnAway(FULL);
      context.sessions.refused(session);
    });
    void openInTurn(session, start, begun + OPENING, context, { log, admission, fleet });
  };
}

function refuse(connection: Connection, position: Position, { refusal, limit }: Refused, log: BoundedLog): void {
  const isFailure = FAILURES.has(refusal);
  const line = { event: 'stream_refused', reason: refusal, ...(limit && { limit }) };
  if (isFailure) log.info(line);
  else log.warn(line);
  connection.close(isFailure ? 'failure' : 'capacity', position, { refusal, limit });
}
