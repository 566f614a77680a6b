import { expect } from 'chai';
import { describeFailure } from './report.ts';
import { SCENARIOS } from './scenarios.ts';

/** Each short run has this seed; `npm run fault -- --seed …` takes others, and longer. */
const SEED = 7;

describe('while things fail (short; npm run fault for more)', function () {
  this.timeout(60_000);
  this.slow(20_000);

  for (const scenario of SCENARIOS) {
    it(`${scenario.name}: ${scenario.sentence}`, async () => {
      const result = await scenario.run({ seed: SEED, seconds: scenario.seconds.short, long: false });
      expect(describeFailure(result), `npm run fault -- --short --scenario ${scenario.name} --seed ${SEED}`).to.equal(
        undefined,
      );
    });
  }
});
