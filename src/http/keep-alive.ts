import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as NetServer } from 'node:net';

/** What clients are told (`Keep-Alive: timeout=75`): those that listen close an idle connection before this (ms). */
const TOLD = 75_000;
/**
 * How long an idle connection is kept: longer than common balancers keep theirs, so that they close first, and no request is on
 * its way when a connection is closed here. nginx and Amazon's have 60 s, Go's client 90 s, Google's 600 s.
 */
const KEPT = 620_000;

/** Keeps idle connections, and closes them so that a request which comes in this moment is answered. */
export function keepConnections(server: Server, { told = TOLD, kept = KEPT } = {}): void {
  server.keepAliveTimeout = told;
  // With a listener for it Node does not close by itself.
  server.on('timeout', (socket: Socket) => {
    if (socket.timeout !== kept - told) socket.setTimeout(kept - told);
    else closeIdle(socket);
  });
}

/** Closes what is still idle when everything that has arrived by now was read. */
function closeIdle(socket: Socket): void {
  const { bytesRead } = socket;
  // Timers run before the event loop looks at sockets, `setImmediate` behind that.
  setImmediate(() => {
    if (socket.bytesRead === bytesRead) socket.destroy();
  });
}

/** Accepts no new connections; those that there are go on being answered. Settles when the last one has ended. */
export function stopAccepting(server: Server): Promise<void> {
  // The one of HTTP closes idle connections at once, each of which may have a request on its way.
  return new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()));
}

/** Ends the connections on which nothing is under way, when everything that has arrived by now was read. */
export async function endIdle(server: Server): Promise<void> {
  // The first may come before the event loop looks at sockets, the second not.
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
  server.close();
}
