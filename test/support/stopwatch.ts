import { readFileSync } from 'node:fs';
import { eventually } from './wait.ts';

/** The processes whose work is timed, by their ids at this moment: some may be replaced. This one always is. */
export type Timed = () => { redis?: number; gateways?: number[] };

/**
 * Takes the time in which processes had a processor when they wanted one: what is promised within two seconds is promised on a machine
 * that lets them run, and tests run side by side. Linux counts for how long a process has waited for a processor; elsewhere all time counts.
 */
export class Stopwatch {
  readonly #timed: Timed;
  readonly #begun = performance.now();
  readonly #before: ReadonlyMap<number, number>;

  constructor(timed: Timed = () => ({})) {
    this.#timed = timed;
    const { redis, gateways = [] } = timed();
    this.#before = new Map([process.pid, ...present(redis), ...gateways].map((pid) => [pid, waitedOf(pid)]));
  }

  /** For how long (ms) this process, Redis, and the gateway that waited longest have waited for a processor since the beginning. */
  get waited(): number {
    const { redis, gateways = [] } = this.#timed();
    const waited = (pid: number): number => waitedOf(pid) - (this.#before.get(pid) ?? 0);
    const longest = (pids: number[]): number => Math.max(0, ...pids.map(waited));
    return waited(process.pid) + longest(present(redis)) + longest(gateways);
  }

  /** Milliseconds since the beginning, without those. */
  get elapsed(): number {
    return performance.now() - this.#begun - this.waited;
  }

  /** Waits for what is promised within so many milliseconds from the beginning, and rejects if it took longer. */
  async within(bound: number, check: () => boolean | Promise<boolean>): Promise<void> {
    await eventually(check, 5 * bound);
    const { elapsed } = this;
    if (elapsed > bound) throw new Error(`took ${elapsed} ms of ${bound}`);
  }
}

/** How often a log of waits is written (ms). */
const SAMPLE = 50;

/** For how long processes have waited for a processor, between any two moments. */
export class WaitLog {
  /** When it was written, by `Date.now()`, and how long they had waited by then (ms). */
  readonly #samples: { at: number; sum: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(timed: Timed) {
    let sum = 0;
    let watch = new Stopwatch(timed);
    this.#timer = setInterval(() => {
      sum += watch.waited;
      this.#samples.push({ at: Date.now(), sum });
      watch = new Stopwatch(timed);
    }, SAMPLE).unref();
  }

  /** Milliseconds, of those between the two moments (ms, by `Date.now()`). */
  between(from: number, to: number): number {
    const before = this.#samples.findLast(({ at }) => at <= from)?.sum ?? 0;
    const after = this.#samples.find(({ at }) => at >= to) ?? this.#samples.at(-1);
    return Math.min((after?.sum ?? before) - before, to - from);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

function present(pid: number | undefined): number[] {
  return pid === undefined ? [] : [pid];
}

/** For how long the first thread of a process has waited for a processor (ms). */
function waitedOf(pid: number): number {
  try {
    const [, waited = '0'] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(waited) / 1e6;
  } catch {
    return 0;
  }
}
