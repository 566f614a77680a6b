import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The socket events that Node's HTTP listens for, except `close`: on that it frees its parser. */
const EVENTS = ['data', 'end', 'error', 'timeout', 'drain'];

/** Calls `act` when the responses to all earlier requests on the connection have been sent: at once, as a rule. */
export function inTurn(response: ServerResponse, act: (socket: Socket) => void): void {
  const turn = (socket: Socket): void => {
    if (!socket.destroyed) act(socket);
  };
  if (response.socket) turn(response.socket);
  else response.once('socket', turn);
}

/**
 * Detaches a socket from Node's HTTP. Otherwise Node would go on parsing, and would write responses to later requests, to bytes that
 * it cannot parse and to time-outs into the middle of a stream. All bytes that the client sends afterwards are discarded.
 */
export function leaveHttp(socket: Socket): void {
  // Node's parser reads from the handle directly; adding a `data` listener makes Node read through the socket again.
  socket.on('data', ignore);
  for (const event of EVENTS) socket.removeAllListeners(event);
  socket.setTimeout(0);
  socket.on('error', ignore);
  // Nothing more is expected of the client, so when it ends its side it has left.
  socket.once('end', () => socket.destroy());
  // Node's HTTP may still be parsing what came with the request. If that is a long body, which nobody reads, it pauses the socket, and
  // nobody would notice that the client has left.
  socket.on('pause', goOn);
  socket.resume();
}

function goOn(this: Socket): void {
  setImmediate(() => this.resume());
}

/** Listens for data, which is discarded, and for errors, after each of which `close` follows. */
function ignore(): void {}
