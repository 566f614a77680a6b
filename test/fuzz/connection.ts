import { connect } from 'node:net';

export interface Sent {
  bytes: Buffer;
  /** How long the gateway took to close the connection after the client had ended its side (ms). */
  took: number;
}

/** How long the gateway may take to answer and to close after that: a second, and what the machine needs. */
export const PATIENCE = 8000;
/** How long the client waits for the first byte before it ends its side, and how long after that (ms). */
const PAUSE = 150;
const LAST_PAUSE = 5;

/** Sends the pieces, ends this side a moment later, and reads until the gateway has closed. @throws Error if it does not in time */
export function send(port: number, pieces: readonly Buffer[]): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const chunks: Buffer[] = [];
    let ended = 0;
    const late = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(
          `the connection was not closed within ${PATIENCE} ms; it got ${Buffer.concat(chunks).toString('latin1').slice(0, 500)}`,
        ),
      );
    }, PATIENCE);
    const end = (): void => {
      ended ||= performance.now();
      socket.end();
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (chunks.length === 1) setTimeout(end, LAST_PAUSE);
    });
    // A gateway that has answered may reset a connection on which more is sent.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve({ bytes: Buffer.concat(chunks), took: performance.now() - (ended || performance.now()) });
    });
    socket.on('end', () => socket.end());
    const next = (at: number): void => {
      if (socket.destroyed || ended > 0) return;
      if (at === pieces.length) setTimeout(end, PAUSE);
      else socket.write(pieces[at]!, () => setTimeout(next, at + 1 < pieces.length ? 3 : 0, at + 1));
    };
    socket.once('connect', () => next(0));
  });
}
