import { readFileSync, writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What is still open when all tests are through gets so long (ms) to close by itself. */
const PATIENCE = 10_000;

/**
 * Mocha's own report, then a line for each test that failed, and a last line that a script can read: `12 passed, 0 failed`. If TEST_TALLY
 * names a file, the runs before this one have left theirs there, and they are among the lines.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Behind the listener of Spec, which prints the summary.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      endInTime();
      const { passes, failures, pending } = this.stats;
      const lines = this.failures.map((test) => lineOf(test));
      const tally = addUp({ passed: passes, failed: failures + pending, lines });
      for (const line of tally.lines) console.log(line);
      console.log(`${tally.passed} passed, ${tally.failed} failed`);
    });
  }
}

/** One line, so that a log of which only the end is kept still says what failed. */
function lineOf(test) {
  const [reason] = String(test.err?.message ?? test.err).split('\n');
  return `failed: ${test.fullTitle()}: ${reason.slice(0, 200)}`;
}

function addUp(run) {
  const file = process.env.TEST_TALLY;
  if (file === undefined) return run;
  const before = JSON.parse(readFileSync(file, 'utf8') || '{"passed":0,"failed":0,"lines":[]}');
  const tally = {
    passed: before.passed + run.passed,
    failed: before.failed + run.failed,
    lines: [...before.lines, ...run.lines],
  };
  writeFileSync(file, JSON.stringify(tally));
  return tally;
}

/**
 * A test that fails half-way may leave a server behind; the run has to end all the same, with its own exit code. Also
 * where nothing is left: Node 20 has been seen to spin for ever in its clean-up after the last event (uv_run in
 * Environment::CleanupHandles), which process.exit goes around.
 */
function endInTime() {
  const end = () => {
    console.error(`still open after the tests: ${[...new Set(process.getActiveResourcesInfo())].join(', ')}`);
    process.exit();
  };
  setTimeout(end, PATIENCE).unref();
  process.once('beforeExit', () => process.exit());
}
