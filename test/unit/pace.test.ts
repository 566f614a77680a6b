import { expect } from 'chai';
import { Pace } from '../../src/store/redis/pace.ts';

/** The longest of the waits before the first so many tries. */
function waits(pace: Pace, tries: number, isRefusal: boolean): number[] {
  return Array.from({ length: tries }, () => {
    pace.failed(isRefusal);
    return pace.next();
  });
}

describe('the pace of a connection', () => {
  it('stays at about once a second while Redis cannot be reached', () => {
    const all = waits(new Pace(), 50, false);
    expect(all[0]).to.be.within(20, 50);
    expect(Math.max(...all)).to.be.within(500, 1000);
  });

  it('grows to some seconds, by chance, while Redis refuses the connection', () => {
    const all = waits(new Pace(), 50, true);
    expect(all[0]).to.be.within(100, 250);
    expect(Math.min(...all.slice(10))).to.be.within(4000, 5000);
    expect(Math.max(...all)).to.be.within(6000, 8000);
    expect(new Set(all.slice(10)).size).to.equal(40);
  });

  it('begins anew when the connection was made', () => {
    const pace = new Pace();
    waits(pace, 20, true);
    waits(pace, 20, false);
    pace.reached();
    expect(pace.next()).to.be.lessThan(51);
    pace.failed(true);
    expect(pace.next()).to.be.lessThan(251);
  });

  it('leaves a read-only server at once, and then less and less often', () => {
    let now = 1_000_000;
    const pace = new Pace(() => now);
    const left: number[] = [];
    for (const from = now; now < from + 60_000; now += 100) if (pace.mayLeave()) left.push((now - from) / 1000);
    expect(left.slice(0, 7)).to.deep.equal([0, 0.1, 1.1, 3.1, 7.1, 15.1, 23.1]);
    // Another failover, much later, is followed at once.
    now += 31_000;
    expect(pace.mayLeave()).to.equal(true);
  });
});
