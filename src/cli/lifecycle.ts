import { isatty } from 'node:tty';
import type { Config } from '../config.ts';
import type { Gateway } from '../gateway.ts';
import type { Logger } from '../logger.ts';
import { type PrivateRedis, startPrivateRedis } from '../store/private-redis.ts';
import { addressProblem } from './address.ts';
import { EXIT } from './command.ts';

/** How long a stop may take on top of the drain (ms). */
export const STOP_PATIENCE = 10_000;

const STOPS: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];
/** Tools that rotate logs or reload a configuration send these. The default of both is to end the process. */
const REQUESTS: NodeJS.Signals[] = ['SIGHUP', 'SIGUSR2'];

/** A Redis that ends with this process, unless `REDIS_URL` names one. Nobody could find it otherwise: the log says how to publish there. */
export async function startOwnRedis({ redisUrl }: Config, logger: Logger): Promise<PrivateRedis | undefined> {
  const redis = redisUrl === undefined ? await startPrivateRedis() : undefined;
  if (redis) {
    const { url, port } = redis;
    const line = `redis-cli -p ${port} PUBLISH room:1 '<message>hello</message>'`;
    logger.info({ event: 'private_redis', url, port }, `no REDIS_URL: a private Redis; publish with ${line}`);
  }
  return redis;
}

/** Says what to do about an address that cannot be had. */
export async function startGateway(gateway: Gateway, config: Config): Promise<void> {
  try {
    await gateway.start();
  } catch (error) {
    const text = addressProblem(error, config);
    throw text === undefined ? error : new Error(text, { cause: error });
  }
}

/**
 * The first signal to stop stops in order; a second one ends the process at once. SIGHUP stops as well if the gateway was
 * started in a terminal, which has gone away then; without a terminal nobody is known to mean "end" by it, and the
 * streams stay. SIGPIPE is ignored by Node.
 */
export function onSignals(logger: Logger, stop: () => void, hasTerminal = [0, 1, 2].some(isatty)): void {
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
      const stops = signal === 'SIGHUP' && hasTerminal;
      logger.info({ event: 'signal', signal, ignored: !stops }, stops ? TERMINAL_GONE : NOTHING_TO_RELOAD);
      if (stops) begin();
    });
  }
}

const TERMINAL_GONE = 'the terminal has gone away: draining';
const NOTHING_TO_RELOAD = 'nothing is read again: a restart takes a new configuration, and SIGTERM drains';

/** A terminal signals every process of its group; a worker hears of its end from the primary. */
export function leaveSignalsToPrimary(): void {
  for (const signal of [...STOPS, ...REQUESTS]) process.on(signal, () => {});
}

/** A stop that does not come to its end is ended. */
export function limitStop(logger: Logger, { drain }: Config): void {
  const limit = drain + STOP_PATIENCE;
  setTimeout(() => {
    logger.error({ event: 'stop_timed_out', limit });
    process.exit(EXIT.failed);
  }, limit).unref();
}

/** What nobody has caught leaves the process in a state that nobody knows: it is said, and the process ends. */
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

/** Node writes its warnings to standard error itself, waiting for it, and throws if it is a file on a full disk. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => logger.warn({ event: 'node_warning', err: warning }));
}
