/**
 * `npm run tests-of src/hub/healing.ts`: runs the tests that the lists of mistakes name for these files, and the unit test of each
 * file's own name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from '../support/mutated-copy.ts';
import { ALL_MUTATIONS } from './all.ts';

const files = process.argv.slice(2);
const own = files.flatMap((file) => ['unit', 'redis'].map((room) => `${room}/${basename(file).replace(/\.\w+$/, '')}`));
const named = ALL_MUTATIONS.filter(({ file }) => files.includes(file)).map(({ caughtBy }) => caughtBy);
const tests = [...new Set([...own, ...named])].map((name) => `test/${name}.test.ts`);
const found = tests.filter((path) => existsSync(join(ROOT, path)));
if (found.length === 0) {
  console.error(`no test is known for ${files.join(' ') || 'nothing'}: expected a path such as src/hub/healing.ts`);
  process.exitCode = 2;
} else {
  console.log(found.join('\n'));
  const mocha = join(ROOT, 'node_modules/.bin/mocha');
  process.exitCode = spawnSync(mocha, ['--exit', ...found], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}
