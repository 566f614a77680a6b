import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Counters } from '../counters.ts';
import type { Logger } from '../logger.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { Descriptors } from './descriptors.ts';
import type { PendingHeads } from './pending-heads.ts';

/** Idle connections are closed at most this often while few files are left (ms). */
const PAUSE = 1000;

/** Warns at the start if the process may open fewer files than its streams need. */
export function warnOfFileLimit(descriptors: Descriptors, maxStreams: number, logger: Logger): void {
  const lack = descriptors.lacks(maxStreams);
  if (!lack) return;
  const { limit, needed } = lack;
  logger.warn(
    { event: 'files_limited', limit, needed },
    `this process may open ${limit} files; SISYPHUS_MAX_STREAMS=${maxStreams} needs ${needed}: raise the limit (ulimit -n, LimitNOFILE)`,
  );
}

/** Returns the check for new connections: it says whether one may stay, and closes idle ones if few files are left. */
export function createAdmission(
  server: Server,
  descriptors: Descriptors,
  counters: Counters,
  log: BoundedLog,
  pending?: Pick<PendingHeads, 'hurry'>,
): (socket: Socket) => boolean {
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
    const { limit } = descriptors;
    const reason = `the process may open ${limit} files: expected more, or a lower SISYPHUS_MAX_STREAMS`;
    closeIdle();
    pending?.hurry();
    if (room === 'little') {
      log.warnOnce('files_short', { event: 'files_short', limit, reason });
      return true;
    }
    counters.connectionDropped();
    const { dropped } = counters.snapshot();
    log.warnOnce('connections_dropped', { event: 'connections_dropped', limit, dropped, reason });
    socket.destroy();
    return false;
  };
}
