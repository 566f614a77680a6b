/**
 * `npm run fault:mutations -- [text of a mistake]`
 *
 * Makes one mistake after the other in a copy of the gateway, and runs the scenario that has to find it. A scenario that
 * fails without any mistake finds nothing: it is run on an unchanged copy first.
 */
import { spawnSync } from 'node:child_process';
import { gatewayOf, ROOT, withCopy } from '../support/mutated-copy.ts';
import { MUTATIONS, type Mutation } from './mutations/list.ts';

const SEED = 7;
const LIMIT_MS = 120_000;

const sound = new Map<string, boolean>();

/** Whether the scenario holds, and what it said. */
function run(copy: string, scenario: string): { held: boolean; output: string } {
  const args = ['--import=tsx', 'test/fault/run.ts', '--short', '--seed', String(SEED), '--scenario', scenario];
  const result = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: gatewayOf(copy),
  });
  return { held: result.status === 0, output: result.stdout };
}

function verdictOn(mutation: Mutation): string {
  const { scenario } = mutation;
  if (!sound.has(scenario))
    sound.set(
      scenario,
      withCopy(undefined, (copy) => run(copy, scenario).held),
    );
  if (!sound.get(scenario)) return `NOT TRIED: ${scenario} fails without any mistake`;
  const { held, output } = withCopy(mutation, (copy) => run(copy, scenario));
  if (held) return 'NOT CAUGHT';
  const share = /lost ([\d.]+ %)/.exec(output)?.[1];
  const rules = [...output.matchAll(/^(?: {2}- |Error: )(.*)$/gm)].map(([, rule]) => rule?.slice(0, 80));
  return `caught (${[share && `${share} lost`, ...rules].filter(Boolean).slice(0, 3).join('; ')})`;
}

const wanted = process.argv.slice(2);
let missed = 0;
for (const mutation of MUTATIONS) {
  if (wanted.length > 0 && !wanted.some((text) => mutation.mistake.includes(text))) continue;
  let verdict: string;
  try {
    verdict = verdictOn(mutation);
  } catch (error) {
    verdict = `NOT TRIED: ${(error as Error).message.slice(0, 300)}`;
  }
  if (!verdict.startsWith('caught')) missed++;
  console.log(`${mutation.mistake}\n    ${mutation.scenario}: ${verdict}`);
}
process.exitCode = missed > 0 ? 1 : 0;
