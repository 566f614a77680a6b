import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What Node's HTTP listens for, apart from `close`, at which it frees what it keeps. */
const EVENTS = ['data', 'end', 'error', 'timeout', 'drain'];

/** Acts when the answers to all earlier requests on the connection have been sent, which is at once as a rule. */
export function inTurn(response: ServerResponse, act: (socket: Socket) => void): void {
  const turn = (socket: Socket): void => {
    if (!socket.destroyed) act(socket);
  };
  if (response.socket) turn(response.socket);
  else response.once('socket', turn);
}

/**
 * Takes a socket away from Node's HTTP, which would go on reading requests from it, and answer them, or what it cannot read, or
 * what comes too late, in the middle of a stream. From here on whatever comes is thrown away.
 */
export function leaveHttp(socket: Socket): void {
  // Node's parser reads from the handle, past the socket. A listener for `data` ends that.
  socket.on('data', ignore);
  for (const event of EVENTS) socket.removeAllListeners(event);
  socket.setTimeout(0);
  socket.on('error', ignore);
  // The client is gone when it ends its side: nothing else is expected of it.
  socket.once('end', () => socket.destroy());
  socket.resume();
}

/** The close that follows says all. */
function ignore(): void {}
