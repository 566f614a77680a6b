import { type Config, ConfigError } from '../config/config.ts';
import type { Texts } from '../config/settings.ts';
import type { Logger } from '../logger.ts';
import { connectPublisher } from '../store/redis/connect.ts';
import { targetOf } from '../store/redis/target.ts';
import type { Io } from './command.ts';
import { startDemo } from './demo.ts';
import { onSignals, startOwnRedis } from './lifecycle.ts';
import { rereading } from './reread.ts';
import { Workers } from './workers.ts';

/** Runs the primary. It is no gateway: it owns the private Redis, if there is one, and the workers, which share the port. */
export async function serveWithWorkers(
  config: Config,
  given: { flags: Texts; env: Texts },
  logger: Logger,
  io: Pick<Io, 'stdout' | 'stderr'>,
  isDemo: boolean,
): Promise<number> {
  const workers = new Workers(config, io, logger);
  onSignals(logger, () => workers.stop(), {
    reread: rereading(config, given, logger, workers),
    replace: () => workers.replace(),
  });
  const privateRedis = await startOwnRedis(config, logger);
  const url = config.redisUrl ?? privateRedis?.url;
  if (url === undefined) throw new ConfigError([needsRedis(config)]);
  workers.start(url);
  const port = await Promise.race([workers.listening, workers.ended.then(() => undefined)]);
  if (isDemo && port !== undefined) {
    const { publisher, close } = await connectPublisher(targetOf(config) ?? url, config.namespace);
    await startDemo({ config, port, publisher, privateRedis, stdout: io.stdout }).finally(close);
  }
  const code = await workers.ended;
  await privateRedis?.close();
  return code;
}

/** The message for several workers without a Redis. */
export function needsRedis({ workers }: Config): string {
  const right = 'REDIS_URL names one, or redis-server (7 or later) has to be on the PATH';
  return `SISYPHUS_WORKERS=${workers} needs a Redis that all workers share: ${right}`;
}
