import type { ChildProcess } from 'node:child_process';

/** How soon it is looked again whether the channel of a process that has ended has been read (ms). */
const LOOK = 10;

/** How `node:cluster` tells a worker of a connection; the worker answers with the same number whether it has taken it. */
interface Handing {
  cmd: 'NODE_CLUSTER';
  act: 'newconn';
  seq: number;
}

const isHanding = (message: unknown): message is Handing =>
  typeof message === 'object' && message !== null && 'act' in message && message.act === 'newconn' && 'seq' in message;

/**
 * Closes the connections that a worker was handed and has not taken when its process ends.
 *
 * The primary accepts each connection and keeps its own descriptor until the worker has answered. If the worker dies before that,
 * `node:cluster` waits for the answer for ever (Node 20.20, https://github.com/nodejs/node/issues/21746), and so does the client: its
 * connection is open, and silent. Here the answer is given in place of the worker, so that Node closes its descriptor and forgets the
 * question; the client comes back, as those do whose connections the worker had taken. Handing them on is not done: there may be nobody who
 * takes them, and then they would hang as well.
 *
 * The messages are Node's own, and not documented. If another version sends others, nothing is found here, and nothing is changed.
 */
export function closeUntaken(worker: ChildProcess): void {
  const untaken = new Set<number>();
  const send = worker.send.bind(worker) as (...args: unknown[]) => boolean;
  worker.send = (...args: unknown[]): boolean => {
    const [message] = args;
    if (isHanding(message)) untaken.add(message.seq);
    return send(...args);
  };
  worker.on('internalMessage', ({ ack }: { ack?: number }) => {
    if (ack !== undefined) untaken.delete(ack);
  });
  let isDisconnected = false;
  // All that the worker has said has been read by then, and the listener of `node:cluster`, which is older, has taken the worker off its list.
  worker.once('disconnect', () => {
    isDisconnected = true;
    for (const ack of [...untaken]) worker.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: true });
  });
  // Node never says `disconnect` of a process that has not confirmed a handle, so it is said here, once the channel has been read to its end.
  worker.once('close', () => {
    const look = (): void => {
      if (worker.connected) setTimeout(look, LOOK);
      else if (!isDisconnected) worker.emit('disconnect');
    };
    setImmediate(look);
  });
}
