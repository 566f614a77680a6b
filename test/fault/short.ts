import { expect } from 'chai';
import { describeFailure } from './report.ts';
import { SCENARIOS } from './scenarios.ts';

/** Each short run has this seed; `npm run fault -- --seed …` takes others, and longer. */
const SEED = 7;

/** Runs every scenario of one part of them, for so many seconds each; files of tests run side by side. */
export function describeFaults(part: number, parts: number): void {
  describe(`while things fail, ${part + 1} of ${parts} (short; npm run fault for more)`, function () {
    this.timeout(60_000);
    this.slow(20_000);

    for (const scenario of SCENARIOS.filter((_, i) => i % parts === part)) {
      it(`${scenario.name}: ${scenario.sentence}`, async () => {
        const result = await scenario.run({ seed: SEED, seconds: scenario.seconds.short, long: false });
        const again = `npm run fault -- --short --scenario ${scenario.name} --seed ${SEED}`;
        expect(describeFailure(result), again).to.equal(undefined);
      });
    }
  });
}
