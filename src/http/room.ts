import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../logger.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { Descriptors } from './descriptors.ts';

/** How often idle connections are closed at most, while there is little room (ms). */
const PAUSE = 1000;

/** Says at the start whether the process may open as many files as it is to have streams. */
export function sayRoom(descriptors: Descriptors, maxStreams: number, logger: Logger): void {
  const lack = descriptors.lacks(maxStreams);
  if (!lack) return;
  const { limit, needed } = lack;
  logger.warn(
    { event: 'files_limited', limit, needed },
    `this process may open ${limit} files; SISYPHUS_MAX_STREAMS=${maxStreams} needs ${needed}: raise the limit (ulimit -n, LimitNOFILE)`,
  );
}

/** Answers whether a new connection may stay; makes room where there is little. */
export function doorkeeper(server: Server, descriptors: Descriptors, log: BoundedLog): (socket: Socket) => boolean {
  let closing = false;
  const closeIdle = (): void => {
    if (closing) return;
    closing = true;
    setImmediate(() => server.closeIdleConnections());
    setTimeout(() => {
      closing = false;
    }, PAUSE).unref();
  };
  return (socket) => {
    const room = descriptors.accept(socket);
    if (room === 'enough') return true;
    const { limit, dropped } = descriptors;
    const reason = `the process may open ${limit} files: expected more, or a lower SISYPHUS_MAX_STREAMS`;
    closeIdle();
    if (room === 'little') {
      log.warnOnce('files_short', { event: 'files_short', limit, reason });
      return true;
    }
    log.warnOnce('connections_dropped', { event: 'connections_dropped', limit, dropped, reason });
    socket.destroy();
    return false;
  };
}
