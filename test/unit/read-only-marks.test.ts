import { expect } from 'chai';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { ReadOnlyMarks } from '../../src/store/redis/read-only-marks.ts';

const BORN = '1000';

function answer(last: string, { role = 'master', sameBranch = 1, gaps = [] as string[] } = {}): unknown {
  return [last, last === '' ? '' : BORN, role, sameBranch, gaps, [null, '1500']];
}

describe('marks of a Redis that takes no writes', () => {
  let now: number;
  let marks: ReadOnlyMarks;
  beforeEach(() => {
    now = 0;
    marks = new ReadOnlyMarks(() => now);
  });

  it('are what it has, as long as that is all that was heard', () => {
    const mark = marks.read(answer('2000', { gaps: ['unrecorded 1100 1200'] }), 2000 as Position);
    expect(mark).to.deep.equal({
      position: 2000,
      born: 1000,
      gaps: [{ reason: 'unrecorded', from: 1100, to: 1200, lost: [] }],
      heads: [BEGINNING, 1500],
    });
  });

  it('tell of what was heard and is gone, each time the same, as it will be written', () => {
    for (const sameBranch of [1, 0]) {
      const { position, gaps } = marks.read(answer('2000', { sameBranch }), 2500 as Position);
      expect(position).to.equal(2501);
      expect(gaps).to.deep.equal([{ reason: 'forked', from: 2000, to: 2501, lost: [] }]);
    }
  });

  it('wait for a replica that is behind its master, but not for long', () => {
    const behind = answer('2000', { role: 'slave' });
    expect(() => marks.read(behind, 2500 as Position)).to.throw('behind its master');
    now += 2900;
    expect(() => marks.read(behind, 2500 as Position)).to.throw('behind its master');
    expect(marks.read(answer('2500', { role: 'slave' }), 2500 as Position).gaps).to.deep.equal([]);
    // From then on it is waited for anew.
    now += 1000;
    expect(() => marks.read(behind, 2600 as Position)).to.throw('behind its master');
    now += 3000;
    expect(marks.read(behind, 2600 as Position).gaps).to.have.length(1);
  });

  it('of a store that is gone are of another life, behind all that was heard', () => {
    const { position, born, gaps } = marks.read(answer(''), 2500 as Position);
    expect([position, born, gaps]).to.deep.equal([2501, 2501, []]);
    expect(marks.read(answer(''), BEGINNING)).to.include({ position: BEGINNING, born: BEGINNING });
  });
});
