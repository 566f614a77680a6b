/**
 * `npm run fault -- [--minutes 30] [--seed 7] [--scenario name,name] [--short] [--seconds n]`
 *
 * Without a scenario: all of them, in an order and for a time that the seed decides, until the minutes are over.
 * A failing run prints the seed that repeats its plan, and where its ledger is.
 */
import { parseArgs } from 'node:util';
import { Random } from './random.ts';
import { describeFailure } from './report.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    short: { type: 'boolean' },
    seconds: { type: 'string' },
    list: { type: 'boolean' },
  },
});

/** Runs one, and answers whether it held. */
async function runOne(scenario: Scenario, seed: number): Promise<boolean> {
  const long = !values.short;
  const seconds = Number(values.seconds ?? (long ? scenario.seconds.long : scenario.seconds.short));
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

async function runAll(): Promise<number> {
  const names = values.scenario?.split(',');
  const chosen = SCENARIOS.filter(({ name }) => !names || names.includes(name));
  if (chosen.length === 0) throw new Error(`no such scenario: ${values.scenario}; --list shows what there is`);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  const random = new Random(seed);
  const end = performance.now() + Number(values.minutes ?? 0) * 60_000;
  let failed = 0;
  let first = true;
  do {
    for (const scenario of values.minutes === undefined ? chosen : random.sample(chosen, chosen.length)) {
      // The very seed that was asked for comes first, so that a failure is repeated by its seed and its name.
      if (!(await runOne(scenario, first || values.minutes === undefined ? seed : random.integer(1, 1_000_000))))
        failed++;
      first = false;
      if (values.minutes !== undefined && performance.now() > end) break;
    }
  } while (values.minutes !== undefined && performance.now() < end);
  return failed;
}

if (values.list) for (const { name, sentence } of SCENARIOS) console.log(`${name}: ${sentence}`);
else {
  const failed = await runAll();
  console.log(failed === 0 ? 'all held' : `${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
