import { isatty } from 'node:tty';
import type { Config } from '../config/config.ts';
import { unshared } from '../exposure.ts';
import type { Gateway } from '../gateway.ts';
import type { Logger } from '../logger.ts';
import { type PrivateRedis, startPrivateRedis } from '../store/private-redis.ts';
import { addressProblem } from './address.ts';
import { EXIT } from './command.ts';

/** How long a stop may take in addition to the drain (ms). */
const STOP_PATIENCE = 10_000;

/** How long a stop may take (ms). */
export function stopLimit({ drain, drainDelay }: Pick<Config, 'drain' | 'drainDelay'>): number {
  return drainDelay + drain + STOP_PATIENCE;
}

const STOPS: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];
/** Tools that rotate logs or reload a configuration send these. The default of both is to end the process. */
const REQUESTS: NodeJS.Signals[] = ['SIGHUP', 'SIGUSR2'];

/** Starts a Redis that ends with this process, unless `REDIS_URL` is set. Its port is not known outside, so the log names it. */
export async function startOwnRedis(config: Config, logger: Logger): Promise<PrivateRedis | undefined> {
  const redis = config.redisUrl === undefined ? await startPrivateRedis() : undefined;
  if (redis) {
    const { url, port } = redis;
    const line = `redis-cli -p ${port} PUBLISH room:1 '<message>hello</message>'`;
    logger.info({ event: 'private_redis', url, port }, `no REDIS_URL: a private Redis; publish with ${line}`);
    const reason = unshared(config);
    if (reason !== undefined) logger.warn({ event: 'redis_unshared', reason });
  }
  return redis;
}

/** Starts the gateway. If it cannot listen on its address, the error explains what to do. */
export async function startGateway(gateway: Gateway, config: Config): Promise<void> {
  try {
    await gateway.start();
  } catch (error) {
    const text = addressProblem(error, config);
    throw text === undefined ? error : new Error(text, { cause: error });
  }
}

/**
 * The first signal of `STOPS` begins an orderly stop; a second one ends the process at once. If the gateway was started in a terminal that
 * has gone away, SIGHUP begins a stop as well. Otherwise SIGHUP calls `reread`, if there is something to read again. If there is not, it
 * begins a stop in a terminal; without one it need not mean "end", so the streams stay open. SIGUSR2 calls `replace`, if there is
 * something to replace. Node ignores SIGPIPE.
 */
export function onSignals(logger: Logger, stop: () => void, { reread, replace }: Requests = {}): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  const hasTerminal = terminals.length > 0;
  let isStopping = false;
  const begin = (): void => {
    if (isStopping) return;
    isStopping = true;
    stop();
  };
  for (const signal of STOPS) {
    process.on(signal, () => {
      logger.info({ event: 'signal', signal });
      if (isStopping) process.exit(EXIT.failed);
      begin();
    });
  }
  for (const signal of REQUESTS) {
    process.on(signal, () => {
      // A descriptor of a terminal that has hung up is no terminal any more.
      const isGone = hasTerminal && !terminals.some((fd) => isatty(fd));
      const rereads = signal === 'SIGHUP' && reread !== undefined && !isGone;
      const stops = signal === 'SIGHUP' && hasTerminal && !rereads;
      const replaces = signal === 'SIGUSR2' && replace !== undefined;
      const meaning = stops ? TERMINAL_GONE : rereads ? REREADING : replaces ? REPLACING : NOTHING_TO_RELOAD;
      logger.info({ event: 'signal', signal, ignored: !stops && !rereads && !replaces }, meaning);
      if (rereads) reread();
      if (replaces) replace();
      if (stops) begin();
    });
  }
}

interface Requests {
  reread?: (() => void) | undefined;
  replace?: (() => void) | undefined;
}

const TERMINAL_GONE = 'the terminal has gone away: draining';
const REREADING = 'the files of secrets and certificates are read again';
const REPLACING = 'workers are replaced one by one';
const NOTHING_TO_RELOAD = 'nothing is read again: a restart takes a new configuration, and SIGTERM drains';

/** Ignores all signals in a worker: a terminal signals every process of its group, but a worker stops when the primary tells it to. */
export function leaveSignalsToPrimary(): void {
  for (const signal of [...STOPS, ...REQUESTS]) process.on(signal, () => {});
}

/** Ends the process with exit code 1 if the stop takes longer than `stopLimit`. */
export function limitStop(logger: Logger, config: Pick<Config, 'drain' | 'drainDelay'>): void {
  const limit = stopLimit(config);
  setTimeout(() => {
    logger.error({ event: 'stop_timed_out', limit });
    process.exit(EXIT.failed);
  }, limit).unref();
}

/** Logs an uncaught error and ends the process, because its state is unknown after such an error. */
export function endOnCrash(logger: Logger): void {
  const crash = (kind: string) => (error: unknown) => {
    try {
      logger.fatal({ event: 'crashed', kind, err: error });
    } finally {
      process.exit(EXIT.failed);
    }
  };
  process.on('uncaughtException', crash('uncaughtException'));
  process.on('unhandledRejection', crash('unhandledRejection'));
}

/** Logs Node's warnings. Node itself would write them to standard error, which blocks, and throws if it is a file on a full disk. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => logger.warn({ event: 'node_warning', err: warning }));
}
