import { readFileSync, writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What is still open when all tests are through gets so long (ms) to close by itself. */
const PATIENCE = 10_000;

/**
 * Mocha's own report, and a last line that a script can read: `12 passed, 0 failed`. If TEST_TALLY names a file, it counts the tests of
 * the runs before this one, too, which have left their counts there.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Behind the listener of Spec, which prints the summary.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      endInTime();
      const [passed, failed] = addUp(passes, failures + pending);
      console.log(`${passed} passed, ${failed} failed`);
    });
  }
}

function addUp(passed, failed) {
  const tally = process.env.TEST_TALLY;
  if (tally === undefined) return [passed, failed];
  const [before = 0, failedBefore = 0] = readFileSync(tally, 'utf8').split(' ').filter(Boolean).map(Number);
  const sums = [before + passed, failedBefore + failed];
  writeFileSync(tally, sums.join(' '));
  return sums;
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
