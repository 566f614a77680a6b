import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import { beginExchange } from './exchange.ts';
import { KEPT } from './keep-alive.ts';
import type { PendingHeads } from './pending-heads.ts';
import { beginsAsPoll, beginsAsStream, readStreamRequest, SocketPeer } from './stream-request.ts';

export interface StreamDoorOptions {
  /**
   * Called instead of closing the socket if some bytes have arrived, but too few to tell whether they request a stream, and the time is
   * over or the client has ended its side.
   */
  unfinished?: (socket: Socket, reason: 'late' | 'ended') => void;
  /** Whether a new connection may stay; if not, the callback has closed it. */
  admits?: (socket: Socket) => boolean;
  /** The connections whose first head has not arrived, including those that were passed to Node's HTTP: it reports their requests. */
  pending?: Pick<PendingHeads, 'add' | 'delete' | 'thin' | 'rest'>;
  /** Called for each long poll; `undefined`: they are left to Node. When it is answered, `next` lets the connection bring another request. */
  poll?: ((socket: Socket, request: HttpRequest, next: Next) => void) | undefined;
}

/** Waits for the next request on a connection, some bytes of which may have come already. */
export type Next = (socket: Socket, early: Buffer | undefined) => void;

/** How long a connection may be silent while the server is being closed (ms): a request may be in transit on it. */
const LAST_PATIENCE = 1000;

/**
 * Reads requests for streams in front of Node's HTTP. Until a request ends, Node's HTTP keeps the request, its response, its parser
 * and their listeners: 7 of the 14 KB that an idle stream took on the heap. Reading the request with it was 95 of the 305 µs that
 * opening a stream took. A connection whose first bytes are not plainly a request for a stream is passed to Node's HTTP unchanged.
 *
 * @param patience how long a client may take to send its first bytes (ms)
 * @param open called for each request for a stream
 */
export function openStreamDoor(
  server: Server,
  patience: number,
  open: (socket: Socket, request: HttpRequest) => void,
  { unfinished, admits, pending, poll }: StreamDoorOptions = {},
): void {
  const toHttp = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  /** Connections that have not yet sent enough to tell what they request, by the time of connecting (ms); the oldest come first. */
  const silent = new Map<Socket, number>();
  /** Connections between two polls, by the end of the last answer (ms); the oldest come first. */
  const resting = new Map<Socket, number>();
  /** The bytes that these connections have sent so far. */
  const begun = new WeakMap<Socket, Buffer>();

  // All sockets share one function, which is why it takes the socket from `this`.
  function onFirst(this: Socket, chunk: Buffer): void {
    const before = begun.get(this);
    const bytes = before ? Buffer.concat([before, chunk]) : chunk;
    const isStream = beginsAsStream(bytes);
    if (isStream === undefined) {
      begun.set(this, bytes);
      return;
    }
    forget(this);
    begun.delete(this);
    this.off('data', onFirst).off('end', onEnd).off('error', ignore);
    const isPoll = poll !== undefined && beginsAsPoll(bytes);
    const request = isStream || isPoll ? readStreamRequest(bytes, new SocketPeer(this)) : undefined;
    if (request && isPoll) {
      this.off('close', onClose);
      pending?.delete(this);
      poll(this, request, next);
      return;
    }
    if (request) {
      // Nothing more is expected of the client, so when it ends its side it has left.
      this.allowHalfOpen = false;
      this.off('close', onClose);
      pending?.delete(this);
      open(this, request);
      return;
    }
    beginExchange(this, isStream);
    this.unshift(bytes);
    for (const listener of toHttp) listener.call(server, this);
  }

  function forget(socket: Socket): void {
    silent.delete(socket);
    resting.delete(socket);
  }

  function onClose(this: Socket): void {
    forget(this);
    pending?.delete(this);
  }

  // Node's HTTP lets clients end their side early. A client that has asked for nothing by then waits for nothing.
  function onEnd(this: Socket): void {
    giveUp(this, 'ended');
  }

  const giveUp = (socket: Socket, reason: 'late' | 'ended'): void => {
    forget(socket);
    socket.off('data', onFirst).off('end', onEnd);
    if (unfinished && begun.has(socket)) unfinished(socket.resume(), reason);
    else socket.destroy();
  };

  const listen = (socket: Socket): void => {
    socket.on('data', onFirst).on('end', onEnd).once('close', onClose).on('error', ignore);
  };

  server.on('connection', (socket: Socket) => {
    if (admits && !admits(socket)) return;
    silent.set(socket, performance.now());
    pending?.add(socket);
    listen(socket);
  });

  const next: Next = (socket, early) => {
    resting.set(socket, performance.now());
    pending?.rest(socket);
    listen(socket);
    if (early) onFirst.call(socket, early);
  };

  let timer: NodeJS.Timeout | undefined;
  const closeSilent = (): void => {
    pending?.thin();
    // While the server is being closed, silent connections are closed sooner.
    closeOlder(silent, patience);
    closeOlder(resting, KEPT);
  };
  const closeOlder = (connections: Map<Socket, number>, kept: number): void => {
    const until = performance.now() - (server.listening ? kept : Math.min(kept, LAST_PATIENCE));
    for (const [socket, since] of connections) {
      if (since > until) return;
      giveUp(socket, 'late');
    }
  };
  server.on('listening', () => {
    timer = setInterval(closeSilent, 1000).unref();
  });
  server.on('close', () => clearInterval(timer));
}

/** Errors need no handling, because `close` follows each. */
function ignore(): void {}
