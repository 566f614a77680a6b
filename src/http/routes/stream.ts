import type { Socket } from 'node:net';
import type { Context } from 'koa';
import { EventStream } from '../../connection/event-stream.ts';
import { isExpected } from '../../repeats.ts';
import { Session } from '../../session/session.ts';
import { parseStart, type Start } from '../../session/start.ts';
import type { HttpContext } from '../context.ts';
import { identify } from '../identify.ts';
import { STREAM_HEADERS, StreamHeads } from '../stream-head.ts';
import type { StreamRequest } from '../stream-request.ts';

/** A client is told within 2 s that Redis cannot be reached (ms). */
const PATIENCE = 1700;
const LATE = 'Redis does not answer in time';

export type OpenStream = (socket: Socket, request: StreamRequest) => void;

/** GET / and /stream where Node has read the request: what the door for streams did not take for one. */
export function stream(openStream: OpenStream): (ctx: Context) => void {
  return (ctx) => {
    const response = ctx.res;
    ctx.respond = false;
    if (ctx.method === 'HEAD') {
      response.removeHeader('Transfer-Encoding');
      response.writeHead(200, STREAM_HEADERS).end();
      return;
    }
    if (!response.socket) return;
    const { 'last-event-id': lastEventId, origin } = ctx.headers;
    openStream(response.socket, { querystring: ctx.querystring, lastEventId: lastEventId?.toString(), origin });
  };
}

/**
 * One reader, one stream. Always 200: on anything else a browser gives up for good, so that whatever is wrong is said in
 * the first frame.
 */
export function streamOpener(context: HttpContext): OpenStream {
  const { config, flusher, logger, sessions } = context;
  const heads = new StreamHeads(config.origins);
  return (socket, { querystring, lastEventId, origin }) => {
    const query = new URLSearchParams(querystring);
    const start = startOf(lastEventId, query);
    const connection = new EventStream({
      socket,
      head: heads.for(origin),
      format: query.get('format') === 'json' ? 'json' : 'raw',
      flusher,
      maxBuffer: config.maxBuffer,
    });
    const identity = identify(query);
    const position = start.kind === 'after' ? start.position : context.hub.position;
    if ('refusal' in identity) {
      logger.info({ event: 'stream_refused', reason: identity.refusal });
      connection.close('failure', position);
    } else if (context.isDraining() || !sessions.admits(identity.user)) {
      logger.warn({ event: 'stream_refused', user: identity.user, reason: 'capacity' });
      connection.close('capacity', position);
    } else {
      open(new Session({ ...context, user: identity.user, connection, maxBuffer: config.maxBuffer }), start, context);
    }
  };
}

function open(session: Session, start: Start, { sessions, logger }: HttpContext): void {
  sessions.add(session);
  // Each step has a limit of its own; together they might take longer than a client should wait.
  const timer = setTimeout(() => session.opened || sessions.turnAway(session, LATE), PATIENCE);
  session
    .open(start)
    .then(
      () => logger.debug({ event: 'stream_opened', user: session.user, start: start.kind }),
      (error: unknown) => {
        if (isExpected(error)) {
          sessions.turnAway(session, (error as Error).message);
          return;
        }
        logger.error({ event: 'stream_failed', user: session.user, err: error });
        session.close('internal');
      },
    )
    .finally(() => clearTimeout(timer));
}

function startOf(lastEventIdHeader: string | undefined, query: URLSearchParams): Start {
  return parseStart({
    lastEventIdHeader,
    lastEventId: query.get('lastEventId') ?? undefined,
    since: query.get('since') ?? undefined,
    overlap: query.get('overlap') ?? undefined,
  });
}
