import { type Counts, sum } from '../counters.ts';
import { type Gathered, ROLES, type Status } from './report.ts';

/** The counts of all processes, those of workers that have ended included. */
export function countsOf({ reports, ended }: Gathered): Counts {
  return sum([...reports.map(({ counts }) => counts), ...(ended ? [ended] : [])]);
}

/** One status for all processes: numbers are added up, and of what is good or bad the worst counts. */
export function statusOf({ reports }: Gathered): Status {
  const all = reports.map(({ status }) => status);
  const [first] = all;
  const total = (read: (status: Status) => number): number => all.reduce((sum, status) => sum + read(status), 0);
  const union = (read: (status: Status) => string[]): string[] => [...new Set(all.flatMap(read))];
  const role = ROLES.findLast((one) => all.some(({ recorder }) => recorder.role === one))!;
  return {
    ...first!,
    redis: all.find(({ redis }) => redis === 'down')?.redis ?? first!.redis,
    reasons: union(({ reasons }) => reasons),
    // While workers are replaced, one of them drains, and the gateway does not.
    draining: all.every(({ draining }) => draining),
    warnings: union(({ warnings }) => warnings),
    streams: total(({ streams }) => streams),
    users: total(({ users }) => users),
    channels: total(({ channels }) => channels),
    subscriptions: total(({ subscriptions }) => subscriptions),
    lingering: total(({ lingering }) => lingering),
    recorder: { role, recording: all.every(({ recorder }) => recorder.recording) },
  };
}
