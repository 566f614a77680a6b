import type { Context } from 'koa';
import { EventStream } from '../../connection/event-stream.ts';
import { SisyphusError } from '../../errors.ts';
import { Session } from '../../session/session.ts';
import { parseStart, type Start } from '../../session/start.ts';
import type { HttpContext } from '../context.ts';
import { identify } from '../identify.ts';

/** A client is told within 2 s that Redis cannot be reached (ms). */
const PATIENCE = 1700;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  // nginx would hold back the first byte for 4 s.
  'X-Accel-Buffering': 'no',
  // The body has no length and no chunks: it ends with the connection.
  Connection: 'close',
};

/**
 * GET / and /stream: one reader, one stream. Always 200: on anything else a browser gives up for good, so that whatever
 * is wrong is said in the first frame.
 */
export function stream(context: HttpContext): (ctx: Context) => void {
  return (ctx) => {
    const query = new URLSearchParams(ctx.querystring);
    const start = startOf(ctx, query);
    const response = ctx.res;
    ctx.respond = false;
    response.removeHeader('Transfer-Encoding');
    if (ctx.method === 'HEAD') {
      response.writeHead(200, HEADERS).end();
      return;
    }
    if (!response.socket) return;
    const { config, flusher, logger, sessions } = context;
    const connection = new EventStream({
      response,
      headers: HEADERS,
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
  const timer = setTimeout(() => session.opened || session.close('redis'), PATIENCE);
  session
    .open(start)
    .then(
      () => logger.debug({ event: 'stream_opened', user: session.user, start: start.kind }),
      (error: unknown) => {
        const reason = error instanceof SisyphusError ? 'redis' : 'internal';
        logger.warn({ event: 'stream_failed', user: session.user, error });
        session.close(reason);
      },
    )
    .finally(() => clearTimeout(timer));
}

function startOf(ctx: Context, query: URLSearchParams): Start {
  return parseStart({
    lastEventIdHeader: ctx.get('Last-Event-ID'),
    lastEventId: query.get('lastEventId') ?? undefined,
    since: query.get('since') ?? undefined,
    overlap: query.get('overlap') ?? undefined,
  });
}
