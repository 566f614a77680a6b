import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from 'koa';
import {
  type Authenticator,
  type Identified,
  type Identity,
  isNobody,
  type Refused,
} from '../../auth/authenticator.ts';
import type { HttpRequest } from '../../auth/http-request.ts';
import { publicTest } from '../../auth/public-channels.ts';
import type { Connection } from '../../connection/connection.ts';
import { EventStream } from '../../connection/event-stream.ts';
import { PollResponse } from '../../connection/poll-response.ts';
import type { Refusal } from '../../connection/refusal.ts';
import { SocketWriter } from '../../connection/socket-writer.ts';
import type { Position } from '../../message/position.ts';
import { OPENING } from '../../patience.ts';
import { positionOf, type Start } from '../../reading/start.ts';
import { isExpected } from '../../repeats.ts';
import { Admission } from '../../session/admission.ts';
import { Session, type SessionOptions } from '../../session/session.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { ClientLimits, Counted } from '../client-limits.ts';
import type { HttpContext } from '../context.ts';
import type { Descriptors } from '../descriptors.ts';
import { exchangeOf } from '../exchange.ts';
import { Identification } from '../identification.ts';
import { inTurn, leaveHttp } from '../leave-http.ts';
import { readBody } from '../read-body.ts';
import { parseStreamBody } from '../stream-body.ts';
import { STREAM_HEADERS, type StreamHeads } from '../stream-head.ts';
import { readStreamQuery } from '../stream-query.ts';
import { streamRequestOf } from '../stream-request.ts';

const LATE = 'Redis does not answer in time';
/** Refusals that stay the same if the client tries again. */
const FAILURES = new Set<Refusal>([
  ...(['missing', 'malformed', 'expired', 'not_yet', 'signature', 'audience', 'refused', 'revoked'] as const),
  ...(['untrusted', 'headers_too_large'] as const),
]);

/** The user has as many streams as one may have, at all gateways together. */
const FULL = { refusal: 'capacity', limit: 'SISYPHUS_MAX_STREAMS_PER_USER' } as const satisfies Refused;

/** Opens a stream on a socket. With a `refusal` the stream is refused for that reason, and the client is not identified. */
export type OpenStream = (socket: Socket, request: HttpRequest, refusal?: Refusal) => void;

export interface StreamOpenerOptions {
  authenticator: Authenticator;
  heads: StreamHeads;
  log: BoundedLog;
  limits: ClientLimits;
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

function handOver(
  request: IncomingMessage,
  response: ServerResponse,
  asked: HttpRequest,
  openStream: OpenStream,
): void {
  exchangeOf(request.socket).isStream = true;
  inTurn(response, (socket) => {
    leaveHttp(socket);
    openStream(socket, asked);
  });
}

/**
 * Creates the function that opens a stream for each request. The status is always 200, because a browser gives up for good on any
 * other; the first frame has the reason of a refusal.
 */
export function streamOpener(context: HttpContext, options: StreamOpenerOptions): OpenStream {
  const { config, flusher, hub, logger } = context;
  const { authenticator, heads, log, limits } = options;
  const admission = new Admission();
  const isPublic = publicTest(config.publicChannels);
  const identification = new Identification({ authenticator, logger, atATime: config.maxStreams });
  return async (socket, request, refusal) => {
    const begun = performance.now();
    const until = begun + OPENING;
    const { format, start, named, isPoll, notes } = readStreamQuery(request, authenticator.parameters);
    for (const note of notes) log.warnOnce(note, { event: 'parameter_ignored', reason: note });
    const head = heads.for(request.valuesOf('origin').join(', '));
    const writer = new SocketWriter(socket);
    const { maxBuffer, noopInterval, maxChannels } = config;
    const connection = isPoll
      ? new PollResponse({ writer, head, notes, format, maxBuffer, noopInterval })
      : new EventStream({ writer, head, notes, format, flusher, maxBuffer });
    const counted = limits.counted(request);
    const refused = refusal ? { refusal } : await turnAway(counted, limits, context);
    const identity = refused ?? (await identification.identify(request, connection));
    if (!refused && 'refusal' in identity) await limits.failed(counted, identity.refusal);
    // The client has left during the identification.
    if (connection.closed) return;
    let admitted = admit(identity, named, begun, counted, socket, context, options);
    if ('user' in identity && 'limit' in admitted && admitted.limit === FULL.limit) {
      await context.sessions.vacancy(identity.user);
      if (connection.closed) return;
      admitted = admit(identity, named, begun, counted, socket, context, options);
    }
    if ('refusal' in admitted) {
      context.counters.streamRefused(admitted.refusal);
      if (admitted.limit) context.counters.limitReached(admitted.limit);
      refuse(connection, positionOf(start, hub.position), admitted, log);
    } else {
      const { user, credential } = admitted;
      const rights = rightsOf(admitted, named, isPublic, context);
      const person = { user, credential, begun: sinceOf(admitted, begun) };
      const session = new Session({ ...context, ...rights, ...person, connection, maxBuffer, maxChannels });
      if (connection instanceof PollResponse) {
        connection.onReset = () => {
          if (!session.isHolding) session.noop();
        };
      }
      const fleet = context.sessions.add(session, admitted.expires, counted.streams)?.then((isAdmitted) => {
        if (isAdmitted) return;
        context.counters.limitReached(FULL.limit);
        if (!connection.closed) refuse(connection, positionOf(start, hub.position), FULL, log);
        context.sessions.refused(session);
      });
      void openInTurn(session, start, until, context, { ...options, admission, fleet });
    }
  };
}

/** Refuses a client that is not to be identified, because a limit is reached. */
async function turnAway(
  counted: Counted,
  limits: ClientLimits,
  { sessions }: HttpContext,
): Promise<Refused | undefined> {
  if ((await limits.waitOf(counted)) > 0) return { refusal: 'capacity', limit: 'SISYPHUS_MAX_FAILURES' };
  const full = addressFull(counted, sessions);
  if (full) return full;
  return (await limits.mayOpen()) ? undefined : { refusal: 'capacity', limit: 'SISYPHUS_MAX_OPENS' };
}

/** Refuses a client whose address has as many streams as it may have. */
function addressFull({ streams }: Counted, sessions: HttpContext['sessions']): Refused | undefined {
  if (streams === undefined || sessions.admitsFrom(streams)) return undefined;
  return { refusal: 'capacity', limit: 'SISYPHUS_MAX_STREAMS_PER_ADDRESS' };
}

function admit(
  identity: Identity,
  named: ReadonlySet<string> | undefined,
  begun: number,
  counted: Counted,
  socket: Socket,
  { config, isDraining, sessions }: HttpContext,
  { descriptors }: StreamOpenerOptions,
): Listener | Refused {
  const listener = listenerOf(identity, named);
  if ('refusal' in listener) return listener;
  const { user } = listener;
  const since = sinceOf(listener, begun);
  const disconnected = user === undefined ? undefined : sessions.reasonAgainst({ ...listener, user }, since);
  if (disconnected) return { refusal: disconnected };
  if (isDraining()) return { refusal: 'draining' };
  if (descriptors.roomFor(socket) !== 'enough') return { refusal: 'capacity' };
  const own = config.rights === 'redis' ? 0 : (listener.channels?.length ?? 0);
  if (Math.max(own, named?.size ?? 0) > config.maxChannels) {
    return { refusal: 'capacity', limit: 'SISYPHUS_MAX_CHANNELS' };
  }
  // Other streams of the address may have been opened during the identification.
  const full = addressFull(counted, sessions);
  if (full) return full;
  if (sessions.admits(user)) return listener;
  const isFull = sessions.streams >= config.maxStreams;
  return { refusal: 'capacity', limit: isFull ? 'SISYPHUS_MAX_STREAMS' : 'SISYPHUS_MAX_STREAMS_PER_USER' };
}

/** Since when it is known who the client is (ms). `begun`: when its request began. */
function sinceOf({ since }: Listener, begun: number): number {
  return since === undefined ? begun : Math.min(since, begun);
}

/** Who a stream is for: a user, or nobody, who has shown no credential and names the channels to read. */
type Listener = Omit<Identified, 'user'> & { user: string | undefined };

function listenerOf(identity: Identity, named: ReadonlySet<string> | undefined): Listener | Refused {
  // The parameter has names, and none of them is a channel's.
  if (named?.size === 0) return { refusal: 'malformed' };
  return named && isNobody(identity) ? { user: undefined } : identity;
}

/** Which channels the listener may read: those on the list in the store, those of the credential, and public ones that are named. */
function rightsOf(
  { channels = [] }: Listener,
  named: ReadonlySet<string> | undefined,
  isPublic: (channel: string) => boolean,
  { config }: HttpContext,
): Pick<SessionOptions, 'granted' | 'hasList' | 'named'> {
  const publicOnes = [...(named ?? [])].filter(isPublic);
  const granted = config.rights === 'redis' ? publicOnes : [...publicOnes, ...channels];
  return { granted, hasList: config.rights !== 'credential', named };
}

function refuse(connection: Connection, position: Position, { refusal, limit }: Refused, log: BoundedLog): void {
  const isFailure = FAILURES.has(refusal);
  const line = { event: 'stream_refused', reason: refusal, ...(limit && { limit }) };
  if (isFailure) log.info(line);
  else log.warn(line);
  connection.close(isFailure ? 'failure' : 'capacity', position, { refusal, limit });
}

/**
 * Opens the session when it is its turn, or turns it away.
 *
 * @param until when the session is turned away at the latest, by `performance.now` (ms)
 * `fleet` settles when the session is admitted or refused by the limits of all gateways
 */
async function openInTurn(
  session: Session,
  start: Start,
  until: number,
  context: HttpContext,
  { admission, fleet, log }: StreamOpenerOptions & { admission: Admission; fleet: Promise<void> | undefined },
): Promise<void> {
  const { hub, sessions } = context;
  // Each step has a limit of its own, but all of them together might take longer than a client should wait.
  const timer = setTimeout(() => {
    if (!session.opened && !session.connection.closed) sessions.turnAway(session, LATE);
  }, until - performance.now());
  const turn = await admission.enter(() => session.connection.closed);
  if ('done' in turn) {
    session.onOpen = turn.done;
    await open(session, start, context, fleet);
    turn.done();
  } else if (hub.isAnswered) {
    log.warn({ event: 'stream_refused', reason: 'busy', opening: admission.opening, waiting: admission.waiting });
    session.connection.close('busy', positionOf(start, hub.position), { times: turn.times });
  } else sessions.turnAway(session, LATE);
  clearTimeout(timer);
}

async function open(
  session: Session,
  start: Start,
  { sessions, logger }: HttpContext,
  fleet: Promise<void> | undefined,
): Promise<void> {
  await session.open(start, fleet).then(
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
