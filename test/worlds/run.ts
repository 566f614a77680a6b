/**
 * Random worlds, judged by Redis's own order. A failing run prints what happened around each violation. The seed repeats
 * what is drawn; how long each step takes is the machine's.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Kind } from './oracle.ts';
import { DISTANCES, FAULTS, type Fault, type Plan, STORIES, type Story } from './plan.ts';
import { type Outcome, play } from './play.ts';

const USAGE = `npm run worlds -- [options]

  --seed <n>        repeats what is drawn; by default one by chance, which is printed
  --seconds <n>     how long (60)
  --gateways <n>    instead of what is drawn
  --distance <d>    ${DISTANCES.join(', ')}
  --faults <a,b>    none, or some of: ${FAULTS.join(', ')}
  --stories <a,b>   none, or some of: ${STORIES.join(', ')}
  --parallel <n>    worlds at the same time (8)
  --show <n>        violations of each kind that are told at length (3)
  --keep <folder>   everything that happened in worlds in which something was wrong, a file each`;

const TEXT = { type: 'string' } as const;
const OPTIONS = {
  seed: TEXT,
  seconds: TEXT,
  gateways: TEXT,
  distance: TEXT,
  faults: TEXT,
  stories: TEXT,
  parallel: TEXT,
  show: TEXT,
  keep: TEXT,
  help: { type: 'boolean' },
} as const;

interface Options {
  help: boolean;
  seed: number;
  seconds: number;
  show: number;
  keep: string | undefined;
  plan: Partial<Plan>;
}

/** @throws Error what is wrong with them, and what would be right */
function parseOptions(): Options {
  const { values } = parseArgs({ options: OPTIONS });
  const number = (name: 'seed' | 'seconds' | 'gateways' | 'parallel' | 'show'): number | undefined => {
    const { [name]: text } = values;
    if (text !== undefined && !(Number(text) >= 0)) throw new Error(`--${name} ${text}: expected a number from 0`);
    return text === undefined ? undefined : Number(text);
  };
  const plan: Partial<Plan> = {};
  const [gateways, parallel] = [number('gateways'), number('parallel')];
  if (gateways !== undefined) plan.gateways = gateways;
  if (parallel !== undefined) plan.parallel = parallel;
  const distance = some('distance', values.distance, DISTANCES)?.[0];
  if (distance !== undefined) plan.distance = distance;
  const faults = some<Fault>('faults', values.faults, FAULTS);
  if (faults) plan.faults = faults;
  const stories = some<Story>('stories', values.stories, STORIES);
  if (stories) plan.stories = stories;
  return {
    help: values.help === true,
    seed: number('seed') ?? Math.floor(Math.random() * 1_000_000),
    seconds: number('seconds') ?? 60,
    show: number('show') ?? 3,
    keep: values.keep,
    plan,
  };
}

function some<T extends string>(name: string, text: string | undefined, all: readonly T[]): T[] | undefined {
  if (text === undefined) return undefined;
  if (text === 'none') return [];
  return text.split(',').map((word) => {
    const found = all.find((one) => one === word);
    if (found === undefined) throw new Error(`--${name} ${word}: expected ${all.join(', ')}`);
    return found;
  });
}

function summarize({ worlds, wrong, counts, violations }: Outcome): string {
  const figures = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  const kinds = Object.entries(violations).map(([kind, count]) => `${kind} ${count}`);
  // Of nothing found in n cases: the share is at most 3/n (95 %).
  const sum = kinds.length === 0 ? `nothing wrong: at most 1 of ${Math.floor(counts.owed / 3)} owed` : kinds.join(', ');
  return `${worlds} worlds, ${wrong} of them wrong\n  ${figures.join(', ')}\n  ${sum}`;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const { help, seed, seconds, show, keep, plan } = options;
  if (keep !== undefined) mkdirSync(keep, { recursive: true });
  if (help) {
    console.log(USAGE);
    return 0;
  }
  console.log(`worlds --seed ${seed} --seconds ${seconds}`);
  const shown = new Map<Kind, number>();
  const outcome = await play({
    seed,
    seconds,
    plan,
    onStage: console.log,
    onWrong: (world, ledger) => {
      if (keep !== undefined) writeFileSync(join(keep, `${seed}-${world}.txt`), ledger);
    },
    onViolation: (text, { kind }) => {
      const count = (shown.get(kind) ?? 0) + 1;
      shown.set(kind, count);
      if (count <= show) console.log(text);
    },
  });
  console.log(summarize(outcome));
  return Object.keys(outcome.violations).length > 0 || outcome.counts.owed === 0 ? 1 : 0;
}

process.exit(await main());
