import type { ToPrimary, ToWorkerOfLimits } from '../../src/limits/messages.ts';
import { PrimaryCount } from '../../src/limits/primary-count.ts';
import { WorkerCount } from '../../src/limits/worker-count.ts';

/** A worker process, and the messages on the way between it and the primary, in their order. */
export class ModelWorker {
  readonly count: WorkerCount;
  readonly toPrimary: ToPrimary[] = [];
  readonly toWorker: ToWorkerOfLimits[] = [];
  /** The keys of what is open. */
  readonly open: string[] = [];
  readonly refused: string[] = [];
  #id = 0;

  constructor(most: number) {
    this.count = new WorkerCount({
      name: 'n',
      most,
      send: (message) => this.toPrimary.push(message),
      nextId: () => ++this.#id,
      patience: 60_000,
    });
  }

  async acquire(key: string): Promise<boolean> {
    const isCounted = await this.count.acquire(key);
    (isCounted ? this.open : this.refused).push(key);
    return isCounted;
  }

  release(at: number): void {
    const [key] = this.open.splice(at, 1);
    if (key !== undefined) this.count.release(key);
  }
}

/** A primary and its workers, without processes: the test decides which message arrives next. */
export class LimitsModel {
  readonly workers = new Set<ModelWorker>();
  readonly primary: PrimaryCount<ModelWorker>;
  readonly #most: number;

  constructor(most: number, places: number, patience = 1000) {
    this.#most = most;
    this.primary = new PrimaryCount<ModelWorker>({
      name: 'n',
      most,
      parts: places + 1,
      send: (worker, message) => worker.toWorker.push(message),
      patience,
    });
    for (let i = 0; i < places; i++) this.start();
  }

  /** Starts another worker. */
  start(): ModelWorker {
    const worker = new ModelWorker(this.#most);
    this.workers.add(worker);
    worker.toPrimary.push({ do: 'define', name: 'n', most: this.#most });
    return worker;
  }

  /** The worker is killed: what it has not said by now, it will never say. */
  kill(worker: ModelWorker): void {
    this.workers.delete(worker);
    while (worker.toPrimary.length > 0) this.deliverToPrimary(worker);
    this.primary.leave(worker);
  }

  deliverToPrimary(worker: ModelWorker): void {
    const message = worker.toPrimary.shift();
    if (message?.do === 'define') this.primary.join(worker);
    if (message?.do === 'ask') this.primary.ask(worker, message.key, message.id);
    if (message?.do === 'release') this.primary.release(worker, message.key);
    if (message?.do === 'held') this.primary.held(worker, message.key, message.used);
  }

  deliverToWorker(worker: ModelWorker): void {
    const message = worker.toWorker.shift();
    if (message) worker.count.hear(message);
  }

  /** Delivers all that is on the way, and what follows from it. */
  async settle(): Promise<void> {
    const all = [...this.workers];
    while (all.some(({ toPrimary, toWorker }) => toPrimary.length + toWorker.length > 0)) {
      for (const worker of all) {
        this.deliverToPrimary(worker);
        this.deliverToWorker(worker);
      }
      await Promise.resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  openOf(key: string): number {
    let open = 0;
    for (const worker of this.workers) open += worker.open.filter((one) => one === key).length;
    return open;
  }
}
