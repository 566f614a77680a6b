import Mocha from 'mocha';

/** Mocha's own report, and a last line that a script can read: `12 passed, 0 failed`. */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Behind the listener of Spec, which prints the summary.
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      console.log(`${passes} passed, ${failures + pending} failed`);
    });
  }
}
