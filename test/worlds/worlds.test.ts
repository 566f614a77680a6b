import { expect } from 'chai';
import { EVERYTHING } from './plan.ts';
import { play } from './play.ts';

/** Each short run has this seed; `npm run worlds -- --seed …` takes others, and longer. */
const SEED = 7;
const SECONDS = 4;

describe('random worlds, by Redis’s own order (short; npm run worlds for more)', function () {
  this.timeout(60_000);
  this.slow(20_000);

  for (const { what, limits, plan } of EVERYTHING) {
    it(`nothing is lost, doubled, leaked, early or a false alarm: ${what}`, async () => {
      const wrong: string[] = [];
      const onViolation = (text: string): unknown => wrong.push(text);
      const { counts, worlds } = await play({ seed: SEED, seconds: SECONDS, limits, plan, onViolation });
      expect(wrong.slice(0, 3).join('\n')).to.equal('');
      expect(worlds).to.be.at.least(4);
      // A run in which nothing was owed, or nobody read a list, has shown nothing.
      expect(counts.owed).to.be.greaterThan(100);
      expect(counts.forbidden).to.be.greaterThan(100);
      expect(counts.looks).to.be.greaterThan(20);
    });
  }
});
