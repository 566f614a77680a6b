import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { gatewayOf, ROOT, withCopy } from '../support/mutated-copy.ts';
import { ALL_MUTATIONS } from './all.ts';
import type { Mutation } from './mutations.ts';

const TEST_LIMIT = 240_000;

/**
 * Makes one mistake in a copy of the gateway, and runs the test that must find it. Answers whether it did.
 * @throws Error if no test failed, but Mocha did: it finds nothing then
 */
function isCaught(mutation: Mutation): boolean {
  const { caughtBy, only } = mutation;
  return withCopy(mutation, (copy) => {
    const grep = only ? ['--grep', only] : [];
    const test = spawnSync(
      join(ROOT, 'node_modules/.bin/mocha'),
      ['--bail', '--exit', ...grep, `test/${caughtBy}.test.ts`],
      {
        // These import or read what is mistaken; others judge a gateway of their own, by a sound source.
        cwd: /^(unit|redis|contract)\/|^browser\/client-react$|^integration\/(cli|commands|doctor|packages|page-and-stream|prometheus|why)$/.test(
          caughtBy,
        )
          ? copy
          : ROOT,
        encoding: 'utf8',
        timeout: TEST_LIMIT,
        env: gatewayOf(copy),
      },
    );
    const isTimeOut = test.status === null;
    if (test.status !== 0 && !isTimeOut && !/^ +\d+ failing$/m.test(test.stdout)) {
      throw new Error(`no test failed, but Mocha: ${test.stderr.trim().slice(0, 200)}`);
    }
    return test.status !== 0;
  });
}

const wanted = process.argv.slice(2);
let missed = 0;
for (const mutation of ALL_MUTATIONS) {
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
