import type { Socket } from 'node:net';
import type { Context } from 'koa';
import { EventStream } from '../../connection/event-stream.ts';
import type { Refusal } from '../../connection/refusal.ts';
import { SocketWriter } from '../../connection/socket-writer.ts';
import type { Position } from '../../message/position.ts';
import { isExpected } from '../../repeats.ts';
import { Admission } from '../../session/admission.ts';
import { Session } from '../../session/session.ts';
import { positionOf, type Start } from '../../session/start.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { HttpContext } from '../context.ts';
import type { Descriptors } from '../descriptors.ts';
import { exchangeOf } from '../exchange.ts';
import type { Identity } from '../identify.ts';
import { inTurn, leaveHttp } from '../leave-http.ts';
import { STREAM_HEADERS, type StreamHeads } from '../stream-head.ts';
import { readStreamQuery } from '../stream-query.ts';
import { type StreamRequest, streamRequestOf } from '../stream-request.ts';

/** A client is told within 2 s that Redis cannot be reached (ms). */
const PATIENCE = 1700;
const LATE = 'Redis does not answer in time';
/** Refusals that stay the same however often the client asks. */
const FAILURES = new Set<Refusal>(['missing', 'blank', 'repeated', 'malformed', 'headers_too_large']);

export type OpenStream = (socket: Socket, request: StreamRequest) => void;

export interface StreamOpenerOptions {
  heads: StreamHeads;
  log: BoundedLog;
  descriptors: Pick<Descriptors, 'roomFor'>;
  /** Streams that were refused, by the word for it. */
  refused: Map<Refusal, number>;
}

/** GET / and /stream where Node has read the request: what the door for streams did not take for one. */
export function stream(openStream: OpenStream): (ctx: Context) => void {
  return (ctx) => {
    const { req: request, res: response } = ctx;
    ctx.respond = false;
    if (ctx.method === 'HEAD') {
      response.removeHeader('Transfer-Encoding');
      response.writeHead(200, STREAM_HEADERS).end();
      return;
    }
    exchangeOf(request.socket).isStream = true;
    const streamRequest = streamRequestOf(request);
    inTurn(response, (socket) => {
      leaveHttp(socket);
      openStream(socket, streamRequest);
    });
  };
}

/**
 * One reader, one stream. Always 200: on anything else a browser gives up for good, so that whatever is wrong is said in
 * the first frame.
 */
export function streamOpener(context: HttpContext, options: StreamOpenerOptions): OpenStream {
  const { config, flusher, hub } = context;
  const { heads, log } = options;
  const admission = new Admission();
  return (socket, request) => {
    const { identity, format, start, notes } = readStreamQuery(request.querystring, request.lastEventId);
    for (const note of notes) log.warnOnce(note, { event: 'parameter_ignored', reason: note });
    const head = heads.for(request.origin);
    const writer = new SocketWriter(socket);
    const connection = new EventStream({ writer, head, notes, format, flusher, maxBuffer: config.maxBuffer });
    const admitted = request.refusal ? { refusal: request.refusal } : admit(identity, socket, context, options);
    if ('refusal' in admitted) {
      refuse(connection, positionOf(start, hub.position), admitted.refusal, options);
    } else {
      const session = new Session({ ...context, user: admitted.user, connection, maxBuffer: config.maxBuffer });
      void openInTurn(session, start, context, { ...options, admission });
    }
  };
}

function admit(
  identity: Identity,
  socket: Socket,
  { config, isDraining, sessions }: HttpContext,
  { descriptors }: StreamOpenerOptions,
): Identity {
  if ('refusal' in identity) return identity;
  if (isDraining()) return { refusal: 'draining' };
  if (descriptors.roomFor(socket) !== 'enough') return { refusal: 'capacity' };
  if (sessions.admits(identity.user)) return identity;
  return { refusal: sessions.streams < config.maxStreams ? 'user_capacity' : 'capacity' };
}

function refuse(
  connection: EventStream,
  position: Position,
  refusal: Refusal,
  { log, refused }: StreamOpenerOptions,
): void {
  refused.set(refusal, (refused.get(refusal) ?? 0) + 1);
  const isFailure = FAILURES.has(refusal);
  const line = { event: 'stream_refused', reason: refusal };
  if (isFailure) log.info(line);
  else log.warn(line);
  connection.close(isFailure ? 'failure' : 'capacity', position, refusal);
}

/** Opens it when it is its turn, or turns it away. */
async function openInTurn(
  session: Session,
  start: Start,
  context: HttpContext,
  { admission, log, refused }: StreamOpenerOptions & { admission: Admission },
): Promise<void> {
  const { hub, sessions } = context;
  sessions.add(session);
  // Each step has a limit of its own; together they might take longer than a client should wait.
  const timer = setTimeout(() => {
    if (!session.opened && !session.connection.closed) sessions.turnAway(session, LATE);
  }, PATIENCE);
  const turn = await admission.enter(() => session.connection.closed);
  if ('done' in turn) {
    session.onOpen = turn.done;
    await open(session, start, context);
    turn.done();
  } else if (hub.isAnswered) {
    refused.set('busy', (refused.get('busy') ?? 0) + 1);
    log.warn({ event: 'stream_refused', reason: 'busy', opening: admission.opening, waiting: admission.waiting });
    session.connection.close('busy', positionOf(start, hub.position), 'busy', turn.times);
  } else sessions.turnAway(session, LATE);
  clearTimeout(timer);
}

async function open(session: Session, start: Start, { sessions, logger }: HttpContext): Promise<void> {
  await session.open(start).then(
    () => logger.debug({ event: 'stream_opened', user: session.user, start: start.kind }),
    (error: unknown) => {
      if (isExpected(error)) {
        sessions.turnAway(session, (error as Error).message);
        return;
      }
      logger.error({ event: 'stream_failed', user: session.user, err: error });
      session.close('internal');
    },
  );
}
