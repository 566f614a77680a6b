import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { readStreamRequest, type StreamRequest } from './stream-request.ts';

/**
 * Lets requests for streams in by a door of their own, in front of Node's HTTP. What that keeps of a request until it ends
 * (request, response, parser, and their listeners) was 7 of the 14 KB on the heap of an idle stream; reading it there was
 * 95 of the 305 µs that opening one took. Whatever is not plainly a request for a stream goes on to Node's untouched.
 */
export function openStreamDoor(
  server: Server,
  patience: number,
  open: (socket: Socket, request: StreamRequest) => void,
): void {
  const toHttp = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  /** Connected, and silent since (ms). */
  const silent = new Map<Socket, number>();

  // One function for all sockets, which is why it asks for `this`.
  function onFirst(this: Socket, chunk: Buffer): void {
    silent.delete(this);
    this.off('close', onClose);
    this.off('error', ignore);
    const request = readStreamRequest(chunk);
    if (request) {
      // Nothing more is expected of the reader, who is gone when it ends its side.
      this.allowHalfOpen = false;
      open(this, request);
      return;
    }
    this.unshift(chunk);
    for (const listener of toHttp) listener.call(server, this);
  }

  function onClose(this: Socket): void {
    silent.delete(this);
  }

  server.on('connection', (socket: Socket) => {
    silent.set(socket, Date.now());
    socket.once('data', onFirst).once('close', onClose).on('error', ignore);
  });

  const timer = setInterval(() => {
    for (const [socket, since] of silent) {
      // Nobody is waited for while the server is being closed.
      if (server.listening && since > Date.now() - patience) return;
      socket.destroy();
    }
  }, 1000).unref();
  server.on('close', () => clearInterval(timer));
}

/** The close that follows says all. */
function ignore(): void {}
