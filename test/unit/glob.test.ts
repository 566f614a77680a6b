import { expect } from 'chai';
import { compileGlob, firstMatch } from '../../src/glob.ts';
import { PATTERNS } from '../support/twin-tables.ts';

describe('a pattern', () => {
  for (const [pattern, fitting, others] of PATTERNS) {
    it(`${pattern} fits ${JSON.stringify(fitting)} and not ${JSON.stringify(others)}`, () => {
      const glob = compileGlob(pattern);
      expect(fitting.filter((name) => !glob(name))).to.deep.equal([]);
      expect(others.filter(glob)).to.deep.equal([]);
    });
  }

  it('takes milliseconds where a regular expression would take years', () => {
    const start = performance.now();
    expect(compileGlob(`${'a*'.repeat(60)}b`)('a'.repeat(128))).to.equal(false);
    expect(compileGlob(`${'*a'.repeat(60)}b`)('a'.repeat(128))).to.equal(false);
    expect(performance.now() - start).to.be.below(20);
  });

  it('counts from the front where several fit', () => {
    const rules = ['room:9*', 'room:*', '*'].map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
    expect(firstMatch(rules, 'room:918')?.pattern).to.equal('room:9*');
    expect(firstMatch(rules, 'room:1')?.pattern).to.equal('room:*');
    expect(firstMatch(rules.slice(0, 2), 'user:1')).to.equal(undefined);
  });
});
