import { AggregatorRegistry, Registry } from 'prom-client';
import type { Counts } from '../counters.ts';
import type { Metric, Value } from './metric.ts';
import type { Gathered, Report, WorkerAnswer } from './report.ts';
import { METRICS, OF_WORKERS } from './table.ts';

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** A metric with its values, as prom-client adds them up. */
type Filled = Pick<Metric, 'name' | 'type' | 'help'> & { aggregator: string; values: Value[] };

/** The text that Prometheus reads: the figures of all processes as if they were one. */
export function render({ reports, ended, workers, died = 0 }: Gathered): Promise<string> {
  const each = withoutReplaced(reports).map((report) => fill(report.counts, report));
  if (ended) each.push(fill(ended));
  if (workers) each.push(ofWorkers(workers, died));
  return AggregatorRegistry.aggregate(each).metrics();
}

/** Takes workers that drain because others have taken their places for ready, because it is no fault that they are not. */
function withoutReplaced(reports: Report[]): Report[] {
  if (reports.every(({ status }) => status.draining)) return reports;
  return reports.map((report) =>
    report.status.draining ? { ...report, state: { ...report.state, ready: true } } : report,
  );
}

function fill(counts: Counts, report?: Report): Filled[] {
  return METRICS.map(({ name, type, help, aggregator, counted, measured }) => {
    const values = counted ? counted(counts) : report && measured ? measured(report) : [];
    return { name, type, help, aggregator, values };
  });
}

function ofWorkers(workers: WorkerAnswer[], died: number): Filled[] {
  const up = workers.map(({ worker, answered }) => ({ value: Number(answered), labels: { worker: `${worker}` } }));
  return [
    { ...OF_WORKERS.up, aggregator: 'min', values: up },
    { ...OF_WORKERS.died, aggregator: 'sum', values: [{ value: died, labels: {} }] },
  ];
}
