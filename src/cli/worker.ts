import type { Config } from '../config/config.ts';
import { parseSecretList } from '../config/secret-list.ts';
import type { Texts } from '../config/settings.ts';
import { SisyphusError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import { WorkerLimits } from '../limits/worker-limits.ts';
import type { Logger } from '../logger.ts';
import type { Gathered } from '../metrics/report.ts';
import { PublishSecrets } from '../publish-secrets.ts';
import { EXIT } from './command.ts';
import { leaveSignalsToPrimary, startGateway } from './lifecycle.ts';
import { WorkerLife } from './worker-life.ts';
import { COUNTS_LIMITS, type FromWorker, GATEWAY, isMessage, SAYS_BEGIN, type ToWorker } from './worker-messages.ts';

/** How long the primary may take to gather the reports (ms): it waits a second for each worker, for all at a time. */
const GATHERING = 3000;

/** A worker that is not ready yet looks again after this (ms). */
const LOOK = 100;

/** Runs a worker. It stops only on a message from the primary, because a terminal's Ctrl-C and systemd signal each process. */
export async function serveAsWorker(
  config: Config,
  env: Texts,
  logger: Logger,
  warnings: () => string[],
): Promise<number> {
  const secrets = new PublishSecrets(config.publishSecret);
  const asked = new Asked();
  const limits =
    env[COUNTS_LIMITS] === undefined
      ? undefined
      : new WorkerLimits((messages) => void tell({ kind: 'limits', messages }));
  let certificates = {};
  const create = (): Gateway =>
    new Gateway({
      config: { ...config, ...certificates },
      logger,
      warnings,
      secrets,
      gateway: env[GATEWAY],
      ...(limits && { limits }),
      gather: () => asked.gather(),
    });
  const life = new WorkerLife(create);
  process.on('message', (message) => {
    if (!isMessage(message)) return;
    const known = message as ToWorker;
    if (known.kind === 'begin') life.begin();
    if (known.kind === 'stop') life.stop(known.isReplaced);
    if (known.kind === 'secrets') secrets.use(parseSecretList(known.text));
    if (known.kind === 'certificates') {
      const { ca, cert, key } = known.tls;
      certificates = { redisCa: ca, redisCert: cert, redisKey: key };
      life.gateway?.context.store.useCertificates(known.tls);
    }
    if (known.kind === 'report' && life.gateway) void report(life.gateway, known.number);
    if (known.kind === 'limits') limits?.hear(known.messages);
    if (known.kind === 'gathered') asked.answer(known.number, known.gathered);
  });
  leaveSignalsToPrimary();
  await tell({ kind: 'hears' });
  if (env[SAYS_BEGIN] === undefined) life.begin();
  const gateway = await life.begun;
  if (!gateway) return EXIT.ok;
  const isStarted = await Promise.race([
    startGateway(gateway, config).then(() => true),
    life.stopped.then(() => false),
  ]);
  if (isStarted) await Promise.race([tellWhenReady(gateway), life.stopped]);
  await life.stopped;
  const { counts } = await gateway.context.report();
  await tell({ kind: 'last', counts });
  return EXIT.ok;
}

/** The flags that count in a worker: the primary passes the secrets in the environment, because a worker must not read the file itself. */
export function flagsOfWorker(flags: Texts): Texts {
  return { ...flags, 'publish-secret': undefined, 'publish-secret-file': undefined };
}

async function report(gateway: Gateway, number: number): Promise<void> {
  await tell({ kind: 'reported', number, report: await gateway.context.report() });
}

/** Tells the primary when streams may come, as `/readyz` says: until then the worker whose place this one takes goes on. */
async function tellWhenReady(gateway: Gateway): Promise<void> {
  while (!(await gateway.context.report()).state.ready) await new Promise((resolve) => setTimeout(resolve, LOOK));
  await tell({ kind: 'ready' });
}

/** Settles when the primary has the message, or is gone. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) resolve();
    else process.send!(message, undefined, undefined, () => resolve());
  });
}

/** The questions for the reports of all workers. */
class Asked {
  readonly #waiting = new Map<number, (gathered: Gathered) => void>();
  #number = 0;

  /** @throws SisyphusError `unavailable`: without the counts of the others, all would seem to have begun again */
  gather(): Promise<Gathered> {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(number);
        reject(new SisyphusError('unavailable', 'the primary does not answer: expected it within 3 s'));
      }, GATHERING);
      this.#waiting.set(number, (gathered) => {
        clearTimeout(timer);
        this.#waiting.delete(number);
        resolve(gathered);
      });
      void tell({ kind: 'gather', number });
    });
  }

  answer(number: number, gathered: Gathered): void {
    this.#waiting.get(number)?.(gathered);
  }
}
