import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { State } from './report.ts';

/** The delay is sampled this often (ms). Node counts the time from one sample to the next, so this much is taken off. */
const RESOLUTION = 20;
/** The figures are those of a whole window (ms), whoever asks, and how often. */
const WINDOW = 10_000;

/** Measures how late the event loop is, and how busy. */
export class EventLoop {
  #histogram: IntervalHistogram | undefined;
  #utilization = performance.eventLoopUtilization();
  #timer: NodeJS.Timeout | undefined;
  #last: State['loop'];

  start(): void {
    this.#histogram ??= monitorEventLoopDelay({ resolution: RESOLUTION });
    this.#histogram.enable();
    this.#timer ??= setInterval(() => this.#turn(), WINDOW).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#histogram?.disable();
  }

  /** The figures of the last window; before the first one has ended, those so far. */
  get figures(): State['loop'] {
    return this.#last ?? this.#measure();
  }

  #turn(): void {
    this.#last = this.#measure();
    this.#histogram?.reset();
    this.#utilization = performance.eventLoopUtilization();
  }

  #measure(): State['loop'] {
    const histogram = this.#histogram;
    if (!histogram || histogram.count === 0) return undefined;
    const { utilization } = performance.eventLoopUtilization(this.#utilization);
    const { max } = histogram;
    const [p50, p99, longest] = [histogram.percentile(50), histogram.percentile(99), max].map(toDelay);
    return { p50: p50!, p99: p99!, max: longest!, utilization };
  }
}

/** @returns seconds */
function toDelay(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1000);
}
