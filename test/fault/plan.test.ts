import { expect } from 'chai';
import { Random } from './random.ts';
import { SCENARIOS } from './scenarios.ts';

describe('the plans of the fault suite', () => {
  it('are repeated by their seed', () => {
    const draw = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => random.integer(1, 1000));
    };
    expect(draw(7)).to.deep.equal(draw(7));
    expect(draw(7)).not.to.deep.equal(draw(8));
  });

  it('draw for one part what they draw for it, whatever the others draw', () => {
    const one = new Random(7);
    const other = new Random(7);
    expect(one.fork('publisher 1').next()).to.equal(other.fork('publisher 1').next());
    expect(one.fork('publisher 1').next()).not.to.equal(one.fork('publisher 2').next());
  });

  it('have a name each', () => {
    const names = SCENARIOS.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
  });
});
