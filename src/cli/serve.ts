import cluster from 'node:cluster';
import type { Writable } from 'node:stream';
import { type Config, loadConfig } from '../config.ts';
import { Gateway } from '../gateway.ts';
import { createLogger, type Logger } from '../logger.ts';
import { type Command, EXIT } from './command.ts';
import { demoConfig, startDemo } from './demo.ts';
import { endOnCrash, onSignals, startGateway } from './lifecycle.ts';
import { serveAsWorker, serveWithWorkers } from './workers.ts';

/** Settles when the gateway has stopped: after a signal, or when the primary of a cluster says so. */
export const serve: Command = {
  name: 'serve',
  parameters: '',
  summary: 'runs the gateway',
  positionals: [0, 0],
  options: { demo: { type: 'boolean', meaning: 'lets user 1 follow room:1 and room:2, and says how to try it' } },
  async run({ flags, env, options, stdout }) {
    const demo = options.demo === true ? stdout : undefined;
    const config = demo ? demoConfig(loadConfig(flags, env)) : loadConfig(flags, env);
    const logger = createLogger(config.logLevel);
    endOnCrash(logger);
    if (cluster.isWorker) return serveAsWorker(config, logger);
    return config.workers > 1 ? serveWithWorkers(config, logger, demo) : serveAlone(config, logger, demo);
  },
};

async function serveAlone(config: Config, logger: Logger, demo: Writable | undefined): Promise<number> {
  const gateway = new Gateway(config, logger);
  const stopped = new Promise<void>((resolve, reject) => {
    onSignals(logger, () => gateway.stop().then(resolve, reject));
  });
  const isUp = await Promise.race([startGateway(gateway, config).then(() => true), stopped.then(() => false)]);
  if (demo && isUp && gateway.context) {
    const { store, privateRedis } = gateway.context;
    await startDemo({ config, port: gateway.port, backlog: store.backlog, privateRedis, stdout: demo });
  }
  await stopped;
  return EXIT.ok;
}
