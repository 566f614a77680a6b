import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { RedisTls } from '../config/redis-certificates.ts';
import type { SecretList } from '../config/secret-list.ts';
import { PrimaryLimits } from '../limits/primary-limits.ts';
import type { Logger } from '../logger.ts';
import { EXIT, type Io } from './command.ts';
import { stopLimit } from './lifecycle.ts';
import { argumentsOfWorker, NO_CERTIFICATES } from './worker-certificates.ts';
import { COUNTS_LIMITS, GATEWAY, SAYS_BEGIN } from './worker-messages.ts';
import { WorkerProcess } from './worker-process.ts';
import { WorkerReports } from './worker-reports.ts';

type Outputs = Pick<Io, 'stdout' | 'stderr'>;

/** A worker that lived this long (ms) did not die early, so the pause before the next start is the shortest again. */
const SOUND_LIFE = 10_000;
/** The pause before a dead worker is replaced (ms): doubled with each early death in a row, up to the longest. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;

/** How long a new worker may take until streams may come (ms), before those that it should replace go on instead. */
const READINESS = 30_000;

/** The workers of a primary: starts one for each place, another one if it dies, and all of them anew on `replace`. */
export class Workers {
  /** Settles with the port when the first worker listens. */
  readonly listening: Promise<number>;
  /** Settles with the exit code when the last worker has ended. */
  readonly ended: Promise<number>;
  readonly #config: Config;
  readonly #env: Record<string, string | undefined>;
  /** The certificates for Redis that were read last. */
  #tls: RedisTls;
  readonly #io: Outputs;
  readonly #logger: Logger;
  readonly #running = new Set<WorkerProcess>();
  /** Those of them that listen on the port. */
  readonly #sharing = new Set<WorkerProcess>();
  readonly #reports: WorkerReports;
  readonly #limits: PrimaryLimits<WorkerProcess>;
  readonly #pauses = new Set<NodeJS.Timeout>();
  #resolveListening!: (port: number) => void;
  #resolveEnded!: (code: number) => void;
  /** The port that the workers listen on, once one of them does. */
  #port: number | undefined;
  #adminPort: number | undefined;
  #isStopping = false;
  #code: number = EXIT.ok;
  /** How many workers in a row died before `SOUND_LIFE`. */
  #earlyDeaths = 0;
  /** The worker that is to take the place of one that still runs. */
  #next: WorkerProcess | undefined;
  #isReplacing = false;
  /** Workers are to be replaced again: what was asked for while it was under way may concern those that were replaced already. */
  #isDue = false;

  constructor(config: Config, io: Outputs, logger: Logger) {
    this.#config = config;
    // If a file becomes wrong, a worker that is started later must not fail by it. It is told the certificates before it begins: they may
    // be too long for a variable.
    const secrets = { SISYPHUS_PUBLISH_SECRET: config.publishSecret?.text, SISYPHUS_PUBLISH_SECRET_FILE: undefined };
    this.#env = { ...secrets, ...NO_CERTIFICATES, [COUNTS_LIMITS]: '1', [SAYS_BEGIN]: '1', [GATEWAY]: randomUUID() };
    const { redisCa: ca, redisCert: cert, redisKey: key } = config;
    this.#tls = { ca, cert, key };
    this.#io = io;
    this.#logger = logger;
    this.#reports = new WorkerReports(() => this.#running, config.workers);
    this.#limits = new PrimaryLimits(config.workers, (worker, messages) => worker.send({ kind: 'limits', messages }));
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
    cluster.setupPrimary({ silent: true, args: argumentsOfWorker(process.argv.slice(2)) });
    for (let place = 1; place <= this.#config.workers; place++) this.#fork(place);
  }

  /** Passes the secrets to the workers that run, and to those that are started later. */
  useSecrets({ text }: SecretList): void {
    this.#env.SISYPHUS_PUBLISH_SECRET = text;
    for (const worker of this.#running) worker.tell({ kind: 'secrets', text });
  }

  /** Passes the certificates to the workers that run, and to those that are started later. */
  useCertificates(tls: RedisTls): void {
    this.#tls = tls;
    for (const worker of this.#running) worker.tell({ kind: 'certificates', tls });
  }

  /** Replaces the workers one by one: each is told to stop when the one that takes its place serves. */
  replace(): void {
    this.#isDue = true;
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    void this.#replaceWhileDue().finally(() => {
      this.#isReplacing = false;
    });
  }

  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const pause of this.#pauses) clearTimeout(pause);
    for (const worker of this.#running) worker.stop(false);
    setTimeout(() => this.#kill(), stopLimit(this.#config)).unref();
    this.#endIfEmpty();
  }

  async #replaceWhileDue(): Promise<void> {
    while (this.#isDue && !this.#isStopping) {
      this.#isDue = false;
      const old = [...this.#running];
      for (const worker of old) {
        // A worker that died meanwhile has been started anew.
        if (!this.#running.has(worker) || this.#isStopping) continue;
        if (!(await this.#replaceOne(worker))) return;
      }
      if (!this.#isStopping) this.#logger.info({ event: 'workers_replaced', workers: old.length });
    }
  }

  /** Answers whether the place has a worker that serves; if not, the old one goes on. */
  async #replaceOne(old: WorkerProcess): Promise<boolean> {
    const next = this.#fork(old.place);
    this.#next = next;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), READINESS);
    });
    const outcome = await Promise.race([next.ready, late]);
    clearTimeout(timer);
    this.#next = undefined;
    if (this.#isStopping) return false;
    if (outcome !== true) {
      const found = outcome === 'late' ? `was not ready within ${READINESS / 1000} s` : 'has ended before it was ready';
      this.#logger.error({ event: 'workers_kept', reason: `a new worker ${found}: the old ones go on` });
      void this.#end(next);
      return false;
    }
    // The old one has died meanwhile: its own successor has the place, too.
    if (!this.#running.has(old)) return true;
    await this.#end(old);
    return true;
  }

  /** Ends a worker while others serve on. */
  async #end(worker: WorkerProcess): Promise<void> {
    worker.stop(true);
    const limit = setTimeout(() => worker.kill(), stopLimit(this.#config));
    await worker.ended;
    clearTimeout(limit);
  }

  #fork(place: number): WorkerProcess {
    // If no worker has the port any more, one that asks for it by PORT=0 would get another one. While a worker has it under that number,
    // the others share it only if they ask for the same number.
    if (this.#sharing.size === 0 && this.#port !== undefined) {
      this.#env.PORT = String(this.#port);
      if (this.#adminPort !== undefined) this.#env.SISYPHUS_ADMIN_PORT = String(this.#adminPort);
    }
    const worker: WorkerProcess = new WorkerProcess({
      place,
      env: this.#env,
      io: this.#io,
      logger: this.#logger,
      onListening: (port, isFirst) => this.#onListening(worker, port, isFirst),
      onMessage: (message) => {
        if (message.kind === 'limits') this.#limits.hear(worker, message.messages);
        else this.#reports.hear(worker, message);
      },
      onEnd: (code, signal) => this.#onEnd(worker, code, signal),
    });
    worker.tell({ kind: 'certificates', tls: this.#tls });
    this.#running.add(worker);
    return worker;
  }

  #onListening(worker: WorkerProcess, port: number, isFirst: boolean): void {
    if (!isFirst) {
      this.#adminPort ??= port;
      return;
    }
    this.#port ??= port;
    this.#resolveListening(port);
    if (port === this.#port) this.#sharing.add(worker);
    // All that shared the port had died before this one listened. It is replaced like them.
    else worker.kill();
  }

  #onEnd(worker: WorkerProcess, code: number, signal: string | undefined): void {
    this.#running.delete(worker);
    this.#sharing.delete(worker);
    this.#reports.ended(worker);
    this.#limits.ended(worker);
    if (this.#isStopping) {
      if (code !== EXIT.ok) this.#code = code;
      this.#endIfEmpty();
      return;
    }
    if (worker.isLeaving) return;
    const life = Math.round(performance.now() - worker.since);
    this.#reports.died();
    const end = signal === undefined ? { code } : { signal };
    this.#logger.error({ event: 'worker_died', worker: worker.place, died: worker.pid, ...end, life });
    if (this.#port === undefined) {
      // No worker has listened yet. This one has printed the reason, and the next one would fail for the same reason.
      this.#code = code || EXIT.failed;
      this.stop();
      return;
    }
    // The worker whose place this one should have taken goes on.
    if (worker === this.#next) return;
    this.#earlyDeaths = life < SOUND_LIFE ? this.#earlyDeaths + 1 : 0;
    this.#forkLater(worker.place);
  }

  #forkLater(place: number): void {
    const pause = setTimeout(
      () => {
        this.#pauses.delete(pause);
        this.#fork(place);
      },
      Math.min(FIRST_PAUSE * 2 ** this.#earlyDeaths, LONGEST_PAUSE),
    );
    this.#pauses.add(pause);
  }

  #endIfEmpty(): void {
    if (this.#running.size === 0) this.#resolveEnded(this.#code);
  }

  #kill(): void {
    for (const worker of this.#running) worker.kill();
  }
}
