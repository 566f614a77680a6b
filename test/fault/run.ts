/**
 * Without a scenario: all of them, in an order and for a time that the seed decides, until the minutes are over.
 * A failing run prints the seed that repeats its plan, and where its ledger is.
 */
import { parseArgs } from 'node:util';
import { Random } from './random.ts';
import { describeFailure } from './report.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const USAGE = `npm run fault -- [options]

  --scenario <a,b>  only these; --list names them (without it: all)
  --seed <n>        repeats the plan of a run; by default one by chance, which is printed
  --short           seconds instead of the length that a scenario's figure is stated for
  --seconds <n>     a length of your own
  --minutes <n>     scenarios by chance, until so many minutes are over
  --list            name the scenarios`;

const OPTIONS = {
  minutes: { type: 'string' },
  seed: { type: 'string' },
  scenario: { type: 'string' },
  short: { type: 'boolean' },
  seconds: { type: 'string' },
  list: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

interface Wanted {
  list: boolean;
  help: boolean;
  long: boolean;
  scenarios: Scenario[];
  seed: number;
  minutes: number | undefined;
  seconds: number | undefined;
}

/** @throws Error what is wrong with them */
function parseOptions(): Wanted {
  const { values } = parseArgs({ options: OPTIONS });
  const number = (name: 'minutes' | 'seed' | 'seconds'): number | undefined => {
    const { [name]: text } = values;
    if (text !== undefined && !(Number(text) >= 0)) throw new Error(`--${name} is a number from 0, not ${text}`);
    return text === undefined ? undefined : Number(text);
  };
  const scenarios = values.scenario?.split(',').map((name) => {
    const scenario = SCENARIOS.find((one) => one.name === name);
    if (!scenario) throw new Error(`no such scenario: ${name}; --list shows what there is`);
    return scenario;
  });
  return {
    list: values.list === true,
    help: values.help === true,
    long: !values.short,
    scenarios: scenarios ?? SCENARIOS,
    seed: number('seed') ?? Math.floor(Math.random() * 1_000_000),
    minutes: number('minutes'),
    seconds: number('seconds'),
  };
}

/** Runs one, and answers whether it held. */
async function runOne(scenario: Scenario, seed: number, wanted: Wanted): Promise<boolean> {
  const { long } = wanted;
  const seconds = wanted.seconds ?? (long ? scenario.seconds.long : scenario.seconds.short);
  console.log(`${scenario.name} --seed ${seed} (${seconds} s): ${scenario.sentence}`);
  try {
    const result = await scenario.run({ seed, seconds, long });
    const { published, messages, deliveries, resets, streams, lostShare } = result.verdict;
    const share = lostShare > 0 ? { lost: `${(100 * lostShare).toFixed(1)} %` } : {};
    const figures = { published, messages, deliveries, ...share, resets, streams, ...result.figures };
    console.log(
      `  ${Object.entries(figures)
        .map(([name, figure]) => `${name} ${figure}`)
        .join(', ')}`,
    );
    const failure = describeFailure(result);
    console.log(failure === undefined ? '  held' : `  FAILED, seed ${seed}\n${failure}`);
    return failure === undefined;
  } catch (error) {
    console.log(`  FAILED, seed ${seed}\n${error instanceof Error ? error.stack : error}`);
    return false;
  }
}

/** Answers how many failed. */
async function runAll(wanted: Wanted): Promise<number> {
  const { scenarios, seed, minutes } = wanted;
  const random = new Random(seed);
  const end = performance.now() + (minutes ?? 0) * 60_000;
  let failed = 0;
  let first = true;
  do {
    for (const scenario of minutes === undefined ? scenarios : random.sample(scenarios, scenarios.length)) {
      // The very seed that was asked for comes first, so that a failure is repeated by its seed and its name.
      if (!(await runOne(scenario, first || minutes === undefined ? seed : random.integer(1, 1_000_000), wanted)))
        failed++;
      first = false;
      if (minutes !== undefined && performance.now() > end) break;
    }
  } while (minutes !== undefined && performance.now() < end);
  return failed;
}

async function main(): Promise<number> {
  let wanted: Wanted;
  try {
    wanted = parseOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (wanted.help) console.log(USAGE);
  else if (wanted.list) {
    for (const { name, sentence } of SCENARIOS) {
      console.log(`${name}: ${sentence}`);
    }
  } else {
    const failed = await runAll(wanted);
    console.log(failed === 0 ? 'all held' : `${failed} failed`);
    return failed === 0 ? 0 : 1;
  }
  return 0;
}

process.exit(await main());
