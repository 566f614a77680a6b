import { expect } from 'chai';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { type ReadOnlyMark, ReadOnlyMarks } from '../../src/store/redis/read-only-marks.ts';

const HEADS = [BEGINNING, 1500 as Position];

function mark(position: number | undefined): ReadOnlyMark {
  const born = position === undefined ? undefined : 1000;
  return { position: position as Position, born: born as Position, gaps: [], heads: HEADS };
}

describe('marks of a Redis that takes no writes', () => {
  let now: number;
  let marks: ReadOnlyMarks;
  beforeEach(() => {
    now = 0;
    marks = new ReadOnlyMarks(() => now);
  });
  const judge = (position: number | undefined, floor: number, isReplica = false) =>
    marks.judge(mark(position), floor as Position, isReplica);

  it('are what it has, as long as that is all that was heard', () => {
    expect(judge(2000, 2000)).to.deep.equal({ position: 2000, born: 1000, gaps: [], heads: HEADS });
  });

  it('tell of what was heard and is gone, each time the same, as it is written when it can be', () => {
    const fork = { reason: 'forked', from: 2000, to: 2501, lost: [], extent: 'known' };
    const told = judge(2000, 2500);
    expect(told).to.deep.include({ position: 2501, gaps: [fork] });
    // That is what readers have been given by then.
    expect(judge(2000, told.position)).to.deep.equal(told);
    // sisyphus_mark writes a gap up to the id behind this.
    expect(marks.floor(told.position)).to.equal(2500);
    marks.reset();
    expect(marks.floor(told.position)).to.equal(2501);
  });

  it('wait for a replica that is behind its master, but not for long', () => {
    expect(() => judge(2000, 2500, true)).to.throw('behind its master');
    now += 2900;
    expect(() => judge(2000, 2500, true)).to.throw('behind its master');
    expect(judge(2500, 2500, true).gaps).to.deep.equal([]);
    // From then on it is waited for anew.
    now += 1000;
    expect(() => judge(2500, 2600, true)).to.throw('behind its master');
    now += 3000;
    expect(judge(2500, 2600, true).gaps).to.have.length(1);
  });

  it('of a store that is gone are of another life, behind all that was heard', () => {
    const told = judge(undefined, 2500);
    expect(told).to.deep.equal({ position: 2501, born: 2501, gaps: [], heads: HEADS });
    expect(judge(undefined, told.position)).to.deep.equal(told);
    marks.reset();
    expect(judge(undefined, BEGINNING)).to.include({ position: BEGINNING, born: BEGINNING });
  });
});
