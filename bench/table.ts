import type { PeerName } from './peers/peer.ts';
import { type CaseResult, figuresOf, type Results, type TurnResult, unitOf, type Verdict } from './results.ts';
import { spreadOf } from './statistics.ts';

function cell(turns: readonly TurnResult[], metric: string): string {
  const values = figuresOf(turns, metric);
  if (values.length === 0) return '–';
  const { digits } = unitOf(metric);
  const { median, least, most } = spreadOf(values);
  if (values.length === 1 || most === least) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

function grid(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) => `  ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join('   ')}`,
    )
    .join('\n');
}

export function verdictLine({ metric, reference, value, atMost, atLeast, met }: Verdict): string {
  const { title, unit, digits } = unitOf(metric);
  const places = reference ? 2 : digits;
  const number = (n: number) => n.toFixed(places);
  const spread = value.least === value.most ? '' : ` (${number(value.least)}–${number(value.most)})`;
  const bound = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  const measure = reference ? `× ${reference}` : unit;
  return `${met ? 'met   ' : 'MISSED'}  ${title}: ${number(value.median)}${spread} ${measure}, goal ${bound}`;
}

export function caseTable(result: CaseResult): string {
  const peers = Object.entries(result.turns) as [PeerName, TurnResult[]][];
  const shown = result.show.filter((metric) => peers.some(([, turns]) => figuresOf(turns, metric).length > 0));
  const head = ['', ...shown.map((metric) => [unitOf(metric).title, unitOf(metric).unit].filter(Boolean).join(', '))];
  const rows = peers.map(([peer, turns]) => [peer, ...shown.map((metric) => cell(turns, metric))]);
  const problems = peers.flatMap(([peer, turns]) =>
    turns.flatMap((turn, i) => turn.problems.map((problem) => `  NOT VALID  ${peer}, turn ${i + 1}: ${problem}`)),
  );
  const verdicts = result.verdicts.map((verdict) => `  ${verdictLine(verdict)}`);
  return [`${result.name}: ${result.title}`, grid([head, ...rows]), ...problems, ...verdicts, ''].join('\n');
}

export function header({ machine, peers, at, options }: Results): string {
  const versions = Object.entries(peers).map(([peer, version]) => `  ${peer}: ${version}`);
  const { cpu, cores, memory, system, node, redis } = machine;
  return [
    `${at}  ${cpu}, ${cores} cores, ${memory}, ${system}, Node ${node}, Redis ${redis}; ${options}`,
    ...versions,
    '',
  ].join('\n');
}
