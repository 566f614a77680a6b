import { type Counts, sum } from '../counters.ts';
import type { Gathered, Report, WorkerAnswer } from '../metrics/report.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** How long a worker may take to report (ms). One that does not is named, and its last known counts count. */
export const PATIENCE = 1000;

/** A worker, as far as its reports go. */
export interface Reporting {
  /** From 1; a worker that takes the place of another one has its number. */
  place: number;
  pid: number | undefined;
  /** One that does not hear yet has counted nothing, and is not asked: it would not answer in time. */
  hears: boolean;
  send(message: ToWorker): void;
}

/**
 * Gathers the reports of all workers for whichever of them is asked.
 *
 * Invariant: what is counted never falls from one answer to the next, because Prometheus takes that for a restart. So the counts of workers
 * that have ended are kept, and the last known ones of workers that do not answer.
 */
export class WorkerReports {
  readonly #workers: () => Iterable<Reporting>;
  readonly #places: number;
  readonly #patience: number;
  readonly #latest = new Map<Reporting, Counts>();
  #ended = sum([]);
  #died = 0;
  /** The reports that are awaited, by number of the question. */
  readonly #awaited = new Map<number, (report: Report) => void>();
  #number = 0;
  #gathering: Promise<Gathered> | undefined;

  /** @param places how many workers there should be */
  constructor(workers: () => Iterable<Reporting>, places: number, patience = PATIENCE) {
    this.#workers = workers;
    this.#places = places;
    this.#patience = patience;
  }

  hear(from: Reporting, message: FromWorker): void {
    if (message.kind === 'last') this.#latest.set(from, message.counts);
    if (message.kind === 'reported') this.#awaited.get(message.number)?.(message.report);
    if (message.kind !== 'gather') return;
    const { number } = message;
    void this.gather().then((gathered) => from.send({ kind: 'gathered', number, gathered }));
  }

  /** To be called when nothing more can come from the worker. */
  ended(worker: Reporting): void {
    const counts = this.#latest.get(worker);
    if (counts) this.#ended = sum([this.#ended, counts]);
    this.#latest.delete(worker);
  }

  /** To be called when a worker has ended that was not told to. */
  died(): void {
    this.#died++;
  }

  /** The gathering that is under way: requests that come meanwhile get the same answer. */
  gather(): Promise<Gathered> {
    this.#gathering ??= this.#gather().finally(() => {
      this.#gathering = undefined;
    });
    return this.#gathering;
  }

  async #gather(): Promise<Gathered> {
    const asked = [...this.#workers()].filter(({ hears }) => hears);
    const found = new Map(await Promise.all(asked.map(async (worker) => [worker, await this.#ask(worker)] as const)));
    // Some may have ended meanwhile, also such as had answered: they count as ended.
    const running = [...this.#workers()];
    const heard = running.filter((worker) => found.has(worker));
    const reports = heard.map((worker) => found.get(worker)).filter((report) => report !== undefined);
    const silent = heard.filter((worker) => !found.get(worker) && this.#latest.has(worker));
    const ended = sum([this.#ended, ...silent.map((worker) => this.#latest.get(worker)!)]);
    const workers = heard.map((worker) => answerOf(worker, found.get(worker) !== undefined));
    return { reports, ended, workers: this.#withMissing(workers, running), died: this.#died };
  }

  /** Answers `undefined` if the worker does not report in time. */
  #ask(worker: Reporting): Promise<Report | undefined> {
    const number = ++this.#number;
    return new Promise((resolve) => {
      const settle = (report?: Report): void => {
        clearTimeout(timer);
        this.#awaited.delete(number);
        resolve(report);
      };
      const timer = setTimeout(settle, this.#patience);
      this.#awaited.set(number, (report) => {
        this.#latest.set(worker, report.counts);
        settle(report);
      });
      worker.send({ kind: 'report', number });
    });
  }

  /** A place is empty until the worker that died there is started again; that one serves nobody as long as it does not hear. */
  #withMissing(workers: WorkerAnswer[], running: Reporting[]): WorkerAnswer[] {
    const all = [...workers];
    for (let place = 1; place <= this.#places; place++) {
      if (workers.some(({ worker }) => worker === place)) continue;
      const starting = running.find((one) => one.place === place);
      all.push(answerOf({ place, pid: starting?.pid }, false));
    }
    return all.sort((one, other) => one.worker - other.worker);
  }
}

function answerOf({ place, pid }: Pick<Reporting, 'place' | 'pid'>, answered: boolean): WorkerAnswer {
  return { worker: place, pid, answered };
}
