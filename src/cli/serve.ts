import cluster from 'node:cluster';
import { isatty } from 'node:tty';
import { type Config, loadConfig } from '../config/config.ts';
import { settings, type Texts } from '../config/settings.ts';
import { isContainer, unreachable, unshared } from '../exposure.ts';
import { Gateway } from '../gateway.ts';
import { createLogger, type Logger, sayDropped } from '../logger.ts';
import { Output } from '../output.ts';
import { PublishSecrets } from '../publish-secrets.ts';
import { ReadableLog } from '../readable-log.ts';
import type { PrivateRedis } from '../store/private-redis.ts';
import { type Command, EXIT, type Sink } from './command.ts';
import { demoConfig, startDemo } from './demo.ts';
import { endOnCrash, limitStop, logWarnings, onSignals, startGateway, startOwnRedis } from './lifecycle.ts';
import { serveWithWorkers } from './primary.ts';
import { rereading, sayNames } from './reread.ts';
import { flagsOfWorker, serveAsWorker } from './worker.ts';
import { PLACE } from './worker-process.ts';

/** Settles when the gateway has stopped, after a signal or a message from the primary of a cluster. */
export const serve: Command = {
  name: 'serve',
  isAboutGateway: true,
  parameters: '',
  summary: 'runs the gateway',
  positionals: [0, 0],
  options: {
    demo: {
      type: 'boolean',
      meaning:
        'lets user 1 follow room:1 and room:2, opens the console to this machine, makes a publish secret if there is none, and says how to try it',
    },
  },
  async run({ flags: given, env, options, stdout, stderr }) {
    const flags = cluster.isWorker ? flagsOfWorker(given) : given;
    const isDemo = options.demo === true;
    const config = isDemo ? demoConfig(loadConfig(flags, env)) : loadConfig(flags, env);
    const out = outputOf(config, env, stdout);
    const logger = createLogger(config.logLevel, out, {
      folds: true,
      worker: cluster.isWorker ? Number(env[PLACE]) : undefined,
    });
    if (stdout instanceof Output) stdout.onDropped = (dropped) => sayDropped(logger, dropped);
    endOnCrash(logger);
    logWarnings(logger);
    const surroundings = surroundingsOf(config, flags, env);
    const alone = unshared(config);
    const warnings = (): string[] => [...surroundings, ...(alone === undefined ? [] : [alone]), ...lossOf(stdout)];
    if (cluster.isWorker) return serveAsWorker(config, env, logger, warnings);
    for (const text of surroundings) logger.warn({ event: 'unreachable', host: config.host }, text);
    sayNames(logger, config.publishSecret);
    const texts = { flags, env };
    if (config.workers > 1) return serveWithWorkers(config, texts, logger, { stdout: out, stderr }, isDemo);
    return serveAlone(config, texts, logger, warnings, isDemo ? stdout : undefined);
  },
};

/** Where the log is written: on a terminal for people, else as JSON. The primary of a cluster writes what its workers log. */
function outputOf({ logFormat }: Config, { NO_COLOR }: Texts, stdout: Sink): Sink {
  const isTerminal = stdout instanceof Output && isatty(1);
  const isText = logFormat === 'text' || (logFormat === 'auto' && isTerminal);
  return isText && !cluster.isWorker ? new ReadableLog(stdout, isTerminal && !NO_COLOR) : stdout;
}

/** Warnings about the surroundings of the process: in a container the default HOST cannot be reached. */
export function surroundingsOf(config: Config, flags: Texts, env: Texts): string[] {
  const isDefault = settings(flags, env).get('HOST')?.from === 'default';
  return isDefault && config.auth === 'open' && isContainer(env) ? [unreachable(config)] : [];
}

function lossOf(stdout: Sink): string[] {
  return stdout instanceof Output && stdout.lost > 0 ? [`${stdout.lost} lines of the log were dropped`] : [];
}

async function serveAlone(
  config: Config,
  given: { flags: Texts; env: Texts },
  logger: Logger,
  warnings: () => string[],
  demo: Sink | undefined,
): Promise<number> {
  let privateRedis: PrivateRedis | undefined;
  let gateway: Gateway | undefined;
  const stop = async (): Promise<void> => {
    await gateway?.stop();
    await privateRedis?.close();
  };
  const secrets = new PublishSecrets(config.publishSecret);
  const reread = rereading(config, given, logger, {
    useSecrets: (list) => secrets.use(list),
    useCertificates: (tls) => gateway?.context.store.useCertificates(tls),
  });
  const stopped = new Promise<void>((resolve, reject) => {
    const begin = (): void => {
      limitStop(logger, config);
      stop().then(resolve, reject);
    };
    onSignals(logger, begin, { reread });
  });
  const start = async (): Promise<Gateway> => {
    privateRedis = await startOwnRedis(config, logger);
    gateway = new Gateway({ config, logger, privateUrl: privateRedis?.url, warnings, secrets });
    await startGateway(gateway, config);
    return gateway;
  };
  const started = await Promise.race([start(), stopped.then(() => undefined)]);
  if (demo && started) {
    const { backlog: publisher } = started.context.store;
    await startDemo({ config, port: started.port, publisher, privateRedis, stdout: demo });
  }
  await stopped;
  return EXIT.ok;
}
