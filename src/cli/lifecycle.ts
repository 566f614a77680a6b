import type { Config } from '../config.ts';
import type { Gateway } from '../gateway.ts';
import type { Logger } from '../logger.ts';
import { EXIT } from './command.ts';

/** Says what to do about an address that cannot be had. */
export async function startGateway(gateway: Gateway, { host, port }: Config): Promise<void> {
  try {
    await gateway.start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const text = code === undefined ? undefined : REMEDIES[code]?.(host, port);
    throw text === undefined ? error : new Error(text, { cause: error });
  }
}

const REMEDIES: Record<string, (host: string, port: number) => string> = {
  EADDRINUSE: (host, port) => `port ${port} on ${host} is taken: PORT or --port names another`,
  EACCES: (_host, port) => `port ${port} is not for everybody: one from 1024 on is`,
  EADDRNOTAVAIL: (host) => `${host} is no address of this machine: HOST or --host names one`,
  ENOTFOUND: (host) => `${host} is no host that is known here: HOST or --host names one`,
};

/** The first signal stops in order; a second one ends the process at once. */
export function onSignals(logger: Logger, stop: () => void): void {
  let isStopping = false;
  const listen = (signal: NodeJS.Signals): void => {
    logger.info({ event: 'signal', signal });
    if (isStopping) process.exit(EXIT.failed);
    isStopping = true;
    stop();
  };
  process.on('SIGTERM', listen);
  process.on('SIGINT', listen);
}

/** What nobody has caught leaves the process in a state that nobody knows: it is said, and the process ends. */
export function endOnCrash(logger: Logger): void {
  const crash = (kind: string) => (error: unknown) => {
    logger.fatal({ event: 'crashed', kind, err: error });
    process.exit(EXIT.failed);
  };
  process.on('uncaughtException', crash('uncaughtException'));
  process.on('unhandledRejection', crash('unhandledRejection'));
}
