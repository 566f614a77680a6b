import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import Koa from 'koa';
import { encodeStatus } from '../connection/encode.ts';
import type { Refusal } from '../connection/refusal.ts';
import { BoundedLog } from './bounded-log.ts';
import type { HttpContext } from './context.ts';
import { cors } from './middleware/cors.ts';
import { errors } from './middleware/errors.ts';
import { createRouter } from './router.ts';
import { streamOpener } from './routes/stream.ts';
import { openStreamDoor } from './stream-door.ts';
import { StreamHeads } from './stream-head.ts';

/** Node's default of 16 KB answers a long `Last-Event-ID` with 431, and the browser gives up for good. */
const MAX_HEADERS = 64 * 1024;
/** For the head of a request (ms). */
const PATIENCE = 10_000;

/** The HTTP server, not listening yet. */
export function createApp(context: HttpContext): Server {
  const app = new Koa();
  const heads = new StreamHeads(context.config.origins);
  const refused = new Map<Refusal, number>();
  const openStream = streamOpener(context, { heads, log: new BoundedLog(context.logger), refused });
  const router = createRouter(context, openStream, { refused });
  app.silent = true;
  app.use(errors(context.logger));
  app.use(cors(context.config.origins));
  app.use(router.routes());
  app.use(router.allowedMethods());
  const server = createServer(
    { maxHeaderSize: MAX_HEADERS, headersTimeout: PATIENCE, requestTimeout: 15_000, keepAliveTimeout: 5000 },
    app.callback(),
  );
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    answerUnreadable(error, socket as Socket, heads, context);
  });
  openStreamDoor(server, PATIENCE, openStream);
  return server;
}

/** A request that Node could not read. One that would be a stream gets its answer in a frame, like any other. */
function answerUnreadable(
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  socket: Socket,
  heads: StreamHeads,
  { hub }: HttpContext,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const overflow = error.code === 'HPE_HEADER_OVERFLOW';
  const isStream = /^GET \/(stream)?[? ]/.test(error.rawPacket?.toString('latin1', 0, 16) ?? '');
  if (overflow && isStream) {
    const retry = 30_000 + Math.random() * 30_000;
    const frame = encodeStatus('failure', hub.position, retry, 'raw', { reason: 'headers_too_large' });
    socket.end(`${heads.for(undefined).toString('latin1')}${frame}`);
    return;
  }
  const [status, code, message] = overflow
    ? ['431 Request Header Fields Too Large', 'headers_too_large', `up to ${MAX_HEADERS} bytes of headers are right`]
    : ['400 Bad Request', 'bad_request', 'this is no HTTP request that can be read'];
  const body = JSON.stringify({ error: code, message });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
