import type { Machine } from './machine.ts';
import { METRICS } from './metrics.ts';
import type { PeerName } from './peers/peer.ts';
import type { Figures } from './rig.ts';
import type { Case, Goal } from './scenario.ts';
import { ratios, type Spread, spreadOf } from './statistics.ts';

/** One turn of one peer: its figures, or why there are none. */
export interface TurnResult {
  figures?: Figures;
  problems: string[];
}

export interface Verdict extends Goal {
  /** The peer that the bound is relative to. */
  reference?: PeerName;
  value: Spread;
  met: boolean;
}

export interface CaseResult {
  name: string;
  title: string;
  show: readonly string[];
  turns: Partial<Record<PeerName, TurnResult[]>>;
  verdicts: Verdict[];
}

export interface Results {
  at: string;
  machine: Machine;
  peers: Partial<Record<PeerName, string>>;
  options: string;
  cases: CaseResult[];
}

/** The figures of a metric over all turns that were right. */
export function figuresOf(turns: readonly TurnResult[] | undefined, metric: string): number[] {
  return (turns ?? []).flatMap(({ figures, problems }) => {
    const value = figures?.[metric];
    return value === undefined || problems.length > 0 ? [] : [value];
  });
}

export function unitOf(metric: string): { title: string; unit: string; digits: number } {
  return METRICS[metric] ?? { title: metric, unit: metric.startsWith('cpu') ? 'µs' : '', digits: 2 };
}

/** Nchan's better mode is the one with the lower median of this metric. */
function referenceOf(goal: Goal, turns: CaseResult['turns']): PeerName | undefined {
  if (goal.against !== 'nchan-best') return goal.against;
  const modes = (['nchan', 'nchan-redis'] as const).filter((mode) => figuresOf(turns[mode], goal.metric).length > 0);
  const median = (mode: PeerName) => spreadOf(figuresOf(turns[mode], goal.metric)).median;
  return modes.sort((a, b) => median(a) - median(b))[0];
}

export function judge({ goals }: Case, turns: CaseResult['turns']): Verdict[] {
  return goals.flatMap((goal) => {
    const ours = figuresOf(turns.sisyphus, goal.metric);
    const reference = referenceOf(goal, turns);
    const theirs = reference ? figuresOf(turns[reference], goal.metric) : [];
    if (ours.length === 0 || (goal.against && theirs.length === 0)) return [];
    const value = goal.against ? ratios(ours, theirs) : spreadOf(ours);
    const met =
      (goal.atMost === undefined || value.median <= goal.atMost) && value.median >= (goal.atLeast ?? -Infinity);
    return [{ ...goal, ...(reference && { reference }), value, met }];
  });
}
