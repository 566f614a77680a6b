import cluster, { type Worker } from 'node:cluster';
import { type Config, ConfigError, type Texts } from '../config/config.ts';
import { parseSecretList, type SecretList } from '../config/secret-list.ts';
import { Gateway } from '../gateway.ts';
import type { Logger } from '../logger.ts';
import { PublishSecrets } from '../publish-secrets.ts';
import { connectPublisher } from '../store/redis/connect.ts';
import { targetOf } from '../store/redis/target.ts';
import { EXIT, type Io } from './command.ts';
import { startDemo } from './demo.ts';
import { leaveSignalsToPrimary, onSignals, startGateway, startOwnRedis, stopLimit } from './lifecycle.ts';
import { relayLines } from './relay-lines.ts';
import { rereadSecrets } from './reread.ts';

type Outputs = Pick<Io, 'stdout' | 'stderr'>;

const STOP = 'stop';
/** The message to workers that the publish secrets have changed. */
interface NewSecrets {
  secrets: string;
}
/** A worker that lived this long (ms) did not die early, so the pause before the next start is the shortest again. */
const SOUND_LIFE = 10_000;
/** The pause before a dead worker is replaced (ms): doubled with each early death in a row, up to the longest. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;

/** Runs the primary. It is no gateway: it owns the private Redis, if there is one, and the workers, which share the port. */
export async function serveWithWorkers(config: Config, logger: Logger, io: Outputs, isDemo: boolean): Promise<number> {
  const workers = new Workers(config, io, logger);
  const { publishSecretFile: file } = config;
  const reread = (path: string): void => rereadSecrets(path, logger, (list) => workers.useSecrets(list));
  onSignals(logger, () => workers.stop(), file === undefined ? undefined : () => reread(file));
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

/** Runs a worker. It stops only on a message from the primary, because a terminal's Ctrl-C and systemd signal each process. */
export async function serveAsWorker(config: Config, logger: Logger, warnings: () => string[]): Promise<number> {
  const secrets = new PublishSecrets(config.publishSecret);
  const gateway = new Gateway({ config, logger, warnings, secrets });
  const stopped = new Promise<void>((resolve, reject) => {
    process.on('message', (message) => {
      if (message === STOP) gateway.stop().then(resolve, reject);
      else if (isNewSecrets(message)) secrets.use(parseSecretList(message.secrets));
    });
  });
  leaveSignalsToPrimary();
  await Promise.race([startGateway(gateway, config), stopped]);
  await stopped;
  return EXIT.ok;
}

/** The flags that count in a worker: the primary passes the secrets in the environment, because a worker must not read the file itself. */
export function flagsOfWorker(flags: Texts): Texts {
  return { ...flags, 'publish-secret': undefined, 'publish-secret-file': undefined };
}

function isNewSecrets(message: unknown): message is NewSecrets {
  return typeof message === 'object' && message !== null && 'secrets' in message && typeof message.secrets === 'string';
}

class Workers {
  /** Settles with the port when the first worker listens. */
  readonly listening: Promise<number>;
  /** Settles with the exit code when the last worker has ended. */
  readonly ended: Promise<number>;
  readonly #config: Config;
  readonly #env: Record<string, string | undefined>;
  readonly #io: Outputs;
  readonly #logger: Logger;
  readonly #running = new Set<Worker>();
  /** Those of them that listen on the port. */
  readonly #sharing = new Set<Worker>();
  readonly #pauses = new Set<NodeJS.Timeout>();
  #resolveListening!: (port: number) => void;
  #resolveEnded!: (code: number) => void;
  /** The port that the workers listen on, once one of them does. */
  #port: number | undefined;
  #isStopping = false;
  #code: number = EXIT.ok;
  /** How many workers in a row died before `SOUND_LIFE`. */
  #earlyDeaths = 0;

  constructor(config: Config, io: Outputs, logger: Logger) {
    this.#config = config;
    // If the file becomes wrong, a worker that is started later must not fail by it.
    this.#env = { SISYPHUS_PUBLISH_SECRET: config.publishSecret?.text, SISYPHUS_PUBLISH_SECRET_FILE: undefined };
    this.#io = io;
    this.#logger = logger;
    this.listening = new Promise((resolve) => {
      this.#resolveListening = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** @param redisUrl of the Redis that all workers share */
  start(redisUrl: string): void {
    if (this.#isStopping) return;
    this.#env.REDIS_URL = redisUrl;
    cluster.setupPrimary({ silent: true });
    for (let i = 0; i < this.#config.workers; i++) this.#fork();
  }

  /** Passes the secrets to the workers that run, and to those that are started later. */
  useSecrets({ text }: SecretList): void {
    this.#env.SISYPHUS_PUBLISH_SECRET = text;
    for (const worker of this.#running) worker.send({ secrets: text } satisfies NewSecrets);
  }

  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const pause of this.#pauses) clearTimeout(pause);
    for (const worker of this.#running) worker.send(STOP);
    setTimeout(() => this.#kill(), stopLimit(this.#config)).unref();
    this.#endIfEmpty();
  }

  #fork(): void {
    // If no worker has the port any more, one that asks for it by PORT=0 would get another one. While a worker has it under that number,
    // the others share it only if they ask for the same number.
    if (this.#sharing.size === 0 && this.#port !== undefined) this.#env.PORT = String(this.#port);
    const worker = cluster.fork(this.#env);
    const since = Date.now();
    this.#running.add(worker);
    worker.on('error', (error) =>
      this.#logger.error({ event: 'worker_error', worker: worker.process.pid, err: error }),
    );
    worker.once('listening', ({ port }) => {
      this.#port ??= port;
      this.#resolveListening(port);
      if (port === this.#port) this.#sharing.add(worker);
      // All that shared the port had died before this one listened. It is replaced like them.
      else worker.process.kill('SIGKILL');
    });
    const child = worker.process;
    relayLines(child.stdout!, this.#io.stdout);
    relayLines(child.stderr!, this.#io.stderr);
    // `close` follows `exit`: the worker's last lines have been read by then.
    child.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
      this.#running.delete(worker);
      this.#sharing.delete(worker);
      this.#onExit(worker, code ?? EXIT.failed, signal ?? undefined, Date.now() - since);
    });
  }

  #onExit(worker: Worker, code: number, signal: string | undefined, life: number): void {
    if (this.#isStopping) {
      if (code !== EXIT.ok) this.#code = code;
      this.#endIfEmpty();
      return;
    }
    this.#logger.error({ event: 'worker_died', worker: worker.process.pid, code, signal, life });
    if (this.#port === undefined) {
      // No worker has listened yet. This one has printed the reason, and the next one would fail for the same reason.
      this.#code = code || EXIT.failed;
      this.stop();
      return;
    }
    this.#earlyDeaths = life < SOUND_LIFE ? this.#earlyDeaths + 1 : 0;
    const pause = setTimeout(
      () => {
        this.#pauses.delete(pause);
        this.#fork();
      },
      Math.min(FIRST_PAUSE * 2 ** this.#earlyDeaths, LONGEST_PAUSE),
    );
    this.#pauses.add(pause);
  }

  #endIfEmpty(): void {
    if (this.#running.size === 0) this.#resolveEnded(this.#code);
  }

  #kill(): void {
    for (const worker of this.#running) worker.process.kill('SIGKILL');
  }
}
