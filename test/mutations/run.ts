import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { RECORDER_MUTATIONS } from './recorder.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = ['src', 'bin', 'package.json', 'tsconfig.json', 'test', '.mocharc.yml'];
const TEST_LIMIT = 240_000;

/** Makes one mistake in a copy of the gateway, builds it, and runs the test that must find it. Answers whether it did. */
function isCaught({ file, find, replace, caughtBy, only }: Mutation): boolean {
  const copy = mkdtempSync(join(tmpdir(), 'sisyphus-mutation-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const path = join(copy, file);
    const source = readFileSync(path, 'utf8');
    if (source.split(find).length !== 2) throw new Error(`${file} does not have exactly one ${JSON.stringify(find)}`);
    writeFileSync(
      path,
      source.replace(find, () => replace),
    );
    // What the mistake leaves unused is no reason not to build it.
    const flags = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
    const build = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', copy, ...flags], { encoding: 'utf8' });
    if (build.status !== 0) throw new Error(`it does not build: ${build.stdout}`);
    const grep = only ? ['--grep', only] : [];
    const test = spawnSync(
      join(ROOT, 'node_modules/.bin/mocha'),
      ['--bail', '--exit', ...grep, `test/${caughtBy}.test.ts`],
      {
        // These import what is mistaken; others judge a gateway of their own, by a sound source.
        cwd: /^(unit|contract)\//.test(caughtBy) ? copy : ROOT,
        encoding: 'utf8',
        timeout: TEST_LIMIT,
        env: { ...process.env, TEST_GATEWAY: join(copy, 'bin/sisyphus') },
      },
    );
    return test.status !== 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
let missed = 0;
for (const mutation of [...MUTATIONS, ...RECORDER_MUTATIONS]) {
  if (wanted.length > 0 && !wanted.some((text) => mutation.name.includes(text))) continue;
  const began = Date.now();
  let verdict: string;
  try {
    verdict = isCaught(mutation) ? 'caught' : 'NOT CAUGHT';
  } catch (error) {
    verdict = `NOT TRIED (${(error as Error).message.slice(0, 300)})`;
  }
  if (verdict !== 'caught') missed++;
  console.log(
    `${verdict.padEnd(10)} ${mutation.name}: ${mutation.caughtBy} (${Math.round((Date.now() - began) / 1000)} s)`,
  );
}
process.exitCode = missed > 0 ? 1 : 0;
