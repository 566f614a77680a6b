import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import { beginExchange } from './exchange.ts';
import { beginsAsStream, readStreamRequest } from './stream-request.ts';

export interface StreamDoorOptions {
  /** Called instead of closing the socket if a few bytes came, but too few to tell what they ask for. */
  late?: (socket: Socket) => void;
  /** Whether a new connection may stay; if not, this has closed it. */
  admits?: (socket: Socket) => boolean;
}

/** How long a connection may be silent while the server is being closed; a request may be on its way (ms). */
const LAST_PATIENCE = 1000;

/**
 * Lets requests for streams in by a door of their own, in front of Node's HTTP. What that keeps of a request until it ends
 * (request, response, parser, and their listeners) was 7 of the 14 KB on the heap of an idle stream; reading it there was
 * 95 of the 305 µs that opening one took. Whatever is not plainly a request for a stream goes on to Node's untouched.
 *
 * @param patience for the first bytes (ms)
 */
export function openStreamDoor(
  server: Server,
  patience: number,
  open: (socket: Socket, request: HttpRequest) => void,
  { late, admits }: StreamDoorOptions = {},
): void {
  const toHttp = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  /** Connected, and silent since (ms). */
  const silent = new Map<Socket, number>();
  /** The bytes so far of connections that have sent too few to tell what they ask for. */
  const begun = new WeakMap<Socket, Buffer>();

  // One function for all sockets, which is why it asks for `this`.
  function onFirst(this: Socket, chunk: Buffer): void {
    const before = begun.get(this);
    const bytes = before ? Buffer.concat([before, chunk]) : chunk;
    const isStream = beginsAsStream(bytes);
    if (isStream === undefined) {
      begun.set(this, bytes);
      return;
    }
    silent.delete(this);
    this.off('data', onFirst).off('close', onClose).off('error', ignore);
    const request = isStream ? readStreamRequest(bytes, this) : undefined;
    if (request) {
      // Nothing more is expected of the reader, who is gone when it ends its side.
      this.allowHalfOpen = false;
      open(this, request);
      return;
    }
    beginExchange(this, isStream);
    this.unshift(bytes);
    for (const listener of toHttp) listener.call(server, this);
  }

  function onClose(this: Socket): void {
    silent.delete(this);
  }

  server.on('connection', (socket: Socket) => {
    if (admits && !admits(socket)) return;
    silent.set(socket, Date.now());
    socket.on('data', onFirst).once('close', onClose).on('error', ignore);
  });

  let timer: NodeJS.Timeout | undefined;
  const closeSilent = (): void => {
    // While the server is being closed, silent connections are closed sooner.
    const until = Date.now() - (server.listening ? patience : Math.min(patience, LAST_PATIENCE));
    for (const [socket, since] of silent) {
      if (since > until) return;
      silent.delete(socket);
      socket.off('data', onFirst);
      if (late && begun.has(socket)) late(socket.resume());
      else socket.destroy();
    }
  };
  server.on('listening', () => {
    timer = setInterval(closeSilent, 1000).unref();
  });
  server.on('close', () => clearInterval(timer));
}

/** The close that follows says all. */
function ignore(): void {}
