/**
 * `npm run fault:mutations -- [text of a mistake]`
 *
 * Makes one mistake after the other in a copy of the gateway, and runs the scenario that has to find it. A scenario that
 * fails without any mistake finds nothing: it is run on an unchanged copy first.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTATIONS, type Mutation } from './mutations/list.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SEED = 7;
const LIMIT_MS = 120_000;

const sound = new Map<string, boolean>();

function copyOf(mutation: Mutation | undefined): string {
  const copy = mkdtempSync(join(tmpdir(), 'sisyphus-mutation-'));
  for (const name of ['src', 'bin', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  if (mutation) change(copy, mutation);
  // What a mistake leaves unused is no reason not to build it.
  const flags = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
  const build = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', copy, ...flags], { encoding: 'utf8' });
  if (build.status !== 0) throw new Error(`it does not build: ${build.stdout.slice(0, 300)}`);
  return copy;
}

function change(copy: string, { file, find, replace }: Mutation): void {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not have exactly one ${JSON.stringify(find)}`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
}

/** Whether the scenario holds, and what it said. */
function run(copy: string, scenario: string): { held: boolean; output: string } {
  const args = ['--import=tsx', 'test/fault/run.ts', '--short', '--seed', String(SEED), '--scenario', scenario];
  const env = { ...process.env, TEST_GATEWAY: join(copy, 'bin/sisyphus') };
  const result = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', timeout: LIMIT_MS, env });
  return { held: result.status === 0, output: result.stdout };
}

function withCopy<Answer>(mutation: Mutation | undefined, use: (copy: string) => Answer): Answer {
  const copy = copyOf(mutation);
  try {
    return use(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
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
  const rules = [...output.matchAll(/^ {2}- (.*)$/gm)].map(([, rule]) => rule?.slice(0, 80));
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
