import type { Counts } from '../counters.ts';
import type { Histogram } from '../histogram.ts';
import type { Report } from './report.ts';

export interface Value {
  value: number;
  labels: Record<string, string>;
  /** In a histogram: the name with its ending. */
  metricName?: string;
}

/** One row of the table of metrics. */
export interface Metric {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
  /** How the values of several processes are made one. */
  aggregator: 'sum' | 'max' | 'min';
  counted?: (counts: Counts) => Value[];
  measured?: (report: Report) => Value[];
}

export function counter(
  name: string,
  help: string,
  read: (counts: Counts) => number | Value[],
  labels: readonly string[] = [],
): Metric {
  return { name, type: 'counter', help, labels, aggregator: 'sum', counted: (counts) => valuesOf(read(counts)) };
}

export function gauge(
  name: string,
  help: string,
  aggregator: Metric['aggregator'],
  read: (report: Report) => number | boolean | undefined | Value[],
  labels: readonly string[] = [],
): Metric {
  return { name, type: 'gauge', help, labels, aggregator, measured: (report) => valuesOf(read(report)) };
}

/** @param read each histogram with the labels that it has */
export function histogram(
  name: string,
  help: string,
  read: (counts: Counts) => [labels: Record<string, string>, histogram: Histogram][],
  labels: readonly string[] = [],
): Metric {
  const counted = (counts: Counts): Value[] => read(counts).flatMap(([own, one]) => bucketsOf(name, own, one));
  return { name, type: 'histogram', help, labels, aggregator: 'sum', counted };
}

/** A value for each of these words; 0 for those that never occurred, so that their first time is seen as a change. */
export function byWord(label: string, words: readonly string[], tally: Partial<Record<string, number>>): Value[] {
  const all = new Set([...words, ...Object.keys(tally)]);
  return [...all].map((word) => ({ value: tally[word] ?? 0, labels: { [label]: word } }));
}

function valuesOf(read: number | boolean | undefined | Value[]): Value[] {
  if (Array.isArray(read)) return read;
  // An unlimited number of files has no value.
  return read === undefined || !Number.isFinite(Number(read)) ? [] : [{ value: Number(read), labels: {} }];
}

function bucketsOf(name: string, labels: Record<string, string>, { le, sum, count }: Histogram): Value[] {
  let below = 0;
  const buckets = Object.entries(le).sort(([one], [other]) => Number(one) - Number(other));
  return [
    ...buckets.map(([bound, more]) => {
      below += more;
      return { value: below, labels: { ...labels, le: bound }, metricName: `${name}_bucket` };
    }),
    { value: count, labels: { ...labels, le: '+Inf' }, metricName: `${name}_bucket` },
    { value: sum, labels, metricName: `${name}_sum` },
    { value: count, labels, metricName: `${name}_count` },
  ];
}
