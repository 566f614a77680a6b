import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as NetServer } from 'node:net';

/** The `Keep-Alive: timeout=` that clients receive; a client that obeys it closes an idle connection before `KEPT` (ms). */
export const TOLD = 75_000;
/**
 * How long an idle connection is kept (ms). Balancers that ignore the header must close first, because a request that they send
 * while we close is lost. Their defaults: nginx and Amazon 60 s, Go's client 90 s, Google 600 s.
 */
export const KEPT = 620_000;

/** Keeps idle connections for `kept` milliseconds; a request that arrives just before the end is still answered. */
export function keepConnections(server: Server, { told = TOLD, kept = KEPT } = {}): void {
  server.keepAliveTimeout = told;
  // If the server has a listener for `timeout`, Node does not close the socket by itself.
  server.on('timeout', (socket: Socket) => {
    if (socket.timeout !== kept - told) socket.setTimeout(kept - told);
    else closeIdle(socket);
  });
}

/** Closes the connection unless a request has already arrived in the kernel's buffer. */
function closeIdle(socket: Socket): void {
  const { bytesRead } = socket;
  // The event loop runs timers, then reads sockets, then runs `setImmediate` callbacks.
  setImmediate(() => {
    if (socket.bytesRead === bytesRead) socket.destroy();
  });
}

/** Stops listening; open connections are still served. Settles when the last one has ended. */
export function stopAccepting(server: Server): Promise<void> {
  // `close` of http.Server would also close idle connections at once, and a request may be on its way on each.
  return new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()));
}

/** Closes idle connections, after reading all bytes that have already arrived on them. */
export async function endIdle(server: Server): Promise<void> {
  // The first callback may run before the event loop reads sockets; the second cannot.
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
  server.close();
}
