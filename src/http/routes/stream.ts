import type { Socket } from 'node:net';
import type { Context } from 'koa';
import type { Authenticator, Identified, Identity, Refused } from '../../auth/authenticator.ts';
import type { HttpRequest } from '../../auth/http-request.ts';
import type { Name } from '../../config.ts';
import { EventStream } from '../../connection/event-stream.ts';
import type { Refusal } from '../../connection/refusal.ts';
import { SocketWriter } from '../../connection/socket-writer.ts';
import type { Position } from '../../message/position.ts';
import { OPENING } from '../../patience.ts';
import { positionOf, type Start } from '../../reading/start.ts';
import { isExpected } from '../../repeats.ts';
import { Admission } from '../../session/admission.ts';
import { Session } from '../../session/session.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { HttpContext } from '../context.ts';
import type { Descriptors } from '../descriptors.ts';
import { exchangeOf } from '../exchange.ts';
import { Identification } from '../identification.ts';
import { inTurn, leaveHttp } from '../leave-http.ts';
import { STREAM_HEADERS, type StreamHeads } from '../stream-head.ts';
import { readStreamQuery } from '../stream-query.ts';
import { streamRequestOf } from '../stream-request.ts';

const LATE = 'Redis does not answer in time';
/** Refusals that stay the same if the client tries again. */
const FAILURES = new Set<Refusal>([
  ...(['missing', 'malformed', 'expired', 'not_yet', 'signature', 'audience', 'refused', 'revoked'] as const),
  ...(['untrusted', 'headers_too_large'] as const),
]);
/** Factors on the retry delay: who has too many streams should not ask again every few seconds. */
const TIMES: Partial<Record<Name, number>> = { SISYPHUS_MAX_STREAMS_PER_USER: 6, SISYPHUS_MAX_CHANNELS: 6 };

/** Opens a stream on a socket. With a `refusal` the stream is refused for that reason, and the client is not identified. */
export type OpenStream = (socket: Socket, request: HttpRequest, refusal?: Refusal) => void;

export interface StreamOpenerOptions {
  authenticator: Authenticator;
  heads: StreamHeads;
  log: BoundedLog;
  descriptors: Pick<Descriptors, 'roomFor'>;
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
    exchangeOf(request.socket).isStream = true;
    const streamRequest = streamRequestOf(request);
    inTurn(response, (socket) => {
      leaveHttp(socket);
      openStream(socket, streamRequest);
    });
  };
}

/**
 * Creates the function that opens a stream for each request. The status is always 200, because a browser gives up for good on any
 * other; the first frame has the reason of a refusal.
 */
export function streamOpener(context: HttpContext, options: StreamOpenerOptions): OpenStream {
  const { config, flusher, hub, logger } = context;
  const { authenticator, heads, log } = options;
  const admission = new Admission();
  const identification = new Identification({ authenticator, logger, atATime: config.maxStreams });
  return async (socket, request, refusal) => {
    const begun = performance.now();
    const until = begun + OPENING;
    const { format, start, notes } = readStreamQuery(request, authenticator.parameters);
    for (const note of notes) log.warnOnce(note, { event: 'parameter_ignored', reason: note });
    const head = heads.for(request.valuesOf('origin').join(', '));
    const writer = new SocketWriter(socket);
    const connection = new EventStream({ writer, head, notes, format, flusher, maxBuffer: config.maxBuffer });
    const identity = refusal ? { refusal } : await identification.identify(request, connection);
    // The client has left during the identification.
    if (connection.closed) return;
    const admitted = admit(identity, begun, socket, context, options);
    if ('refusal' in admitted) {
      context.counters.streamRefused(admitted.refusal);
      refuse(connection, positionOf(start, hub.position), admitted, log);
    } else {
      const { user, credential } = admitted;
      const rights = rightsOf(admitted, context);
      const person = { user, credential, begun: sinceOf(admitted, begun) };
      const session = new Session({ ...context, ...rights, ...person, connection, maxBuffer: config.maxBuffer });
      context.sessions.add(session, admitted.expires);
      void openInTurn(session, start, until, context, { ...options, admission });
    }
  };
}

function admit(
  identity: Identity,
  begun: number,
  socket: Socket,
  { config, isDraining, sessions }: HttpContext,
  { descriptors }: StreamOpenerOptions,
): Identity {
  if ('refusal' in identity) return identity;
  const disconnected = sessions.reasonAgainst(identity, sinceOf(identity, begun));
  if (disconnected) return { refusal: disconnected };
  if (isDraining()) return { refusal: 'draining' };
  if (descriptors.roomFor(socket) !== 'enough') return { refusal: 'capacity' };
  if ((identity.channels?.length ?? 0) > config.maxChannels && config.rights !== 'redis') {
    return { refusal: 'capacity', limit: 'SISYPHUS_MAX_CHANNELS' };
  }
  if (sessions.admits(identity.user)) return identity;
  const isFull = sessions.streams >= config.maxStreams;
  return { refusal: 'capacity', limit: isFull ? 'SISYPHUS_MAX_STREAMS' : 'SISYPHUS_MAX_STREAMS_PER_USER' };
}

/** Since when it is known who the client is (ms). `begun`: when its request began. */
function sinceOf({ since }: Identified, begun: number): number {
  return since === undefined ? begun : Math.min(since, begun);
}

/** Which channels the user may follow: those on the list in the store, those of the credential, or both. */
function rightsOf(
  { channels = [] }: Identified,
  { config }: HttpContext,
): { granted: readonly string[]; hasList: boolean } {
  return { granted: config.rights === 'redis' ? [] : channels, hasList: config.rights !== 'credential' };
}

function refuse(connection: EventStream, position: Position, { refusal, limit }: Refused, log: BoundedLog): void {
  const isFailure = FAILURES.has(refusal);
  const line = { event: 'stream_refused', reason: refusal, ...(limit && { limit }) };
  if (isFailure) log.info(line);
  else log.warn(line);
  connection.close(isFailure ? 'failure' : 'capacity', position, { refusal, limit, times: limit && TIMES[limit] });
}

/**
 * Opens the session when it is its turn, or turns it away.
 *
 * @param until when the session is turned away at the latest, by `performance.now` (ms)
 */
async function openInTurn(
  session: Session,
  start: Start,
  until: number,
  context: HttpContext,
  { admission, log }: StreamOpenerOptions & { admission: Admission },
): Promise<void> {
  const { hub, sessions } = context;
  // Each step has a limit of its own, but all of them together might take longer than a client should wait.
  const timer = setTimeout(() => {
    if (!session.opened && !session.connection.closed) sessions.turnAway(session, LATE);
  }, until - performance.now());
  const turn = await admission.enter(() => session.connection.closed);
  if ('done' in turn) {
    session.onOpen = turn.done;
    await open(session, start, context);
    turn.done();
  } else if (hub.isAnswered) {
    log.warn({ event: 'stream_refused', reason: 'busy', opening: admission.opening, waiting: admission.waiting });
    session.connection.close('busy', positionOf(start, hub.position), { times: turn.times });
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
