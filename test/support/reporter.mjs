import Mocha from 'mocha';

/** What is still open when all tests are through gets so long (ms) to close by itself. */
const PATIENCE = 10_000;

/** Mocha's own report, and a last line that a script can read: `12 passed, 0 failed`. */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Behind the listener of Spec, which prints the summary.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      endInTime();
      console.log(`${passes} passed, ${failures + pending} failed`);
    });
  }
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
