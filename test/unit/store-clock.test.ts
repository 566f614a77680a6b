import { expect } from 'chai';
import type { Position } from '../../src/message/position.ts';
import { StoreClock } from '../../src/store/redis/store-clock.ts';

/** By the store's clock, in milliseconds. */
const at = (ms: number): Position => (1_795_206_467_000_000 + ms * 1000) as Position;

describe('the clock of the store, for figures', () => {
  it('is not known before the first answer', () => {
    expect(new StoreClock().toLocal(at(0))).to.equal(undefined);
  });

  it('is told by the answer that took least, half of its way off', () => {
    const clock = new StoreClock();
    // The store's 0 is 100 here. Each is asked `before` it reads its clock, and handled `after`.
    for (const [store, before, after] of [
      [0, 5, 40],
      [1000, 0.5, 0.7],
      [2000, 0.1, 80],
    ] as const)
      clock.learn(at(store), 100 + store - before, 100 + store + after);
    expect(clock.toLocal(at(2500))).to.be.closeTo(2600.1, 0.01);
  });

  it('is learnt anew if it was set, and by a slow answer only if that shows a jump', () => {
    const clock = new StoreClock();
    clock.learn(at(0), 100, 101);
    clock.learn(at(1000), 1100, 1900);
    expect(clock.toLocal(at(1000))).to.be.closeTo(1100.5, 0.01);
    clock.learn(at(60_000), 2100, 2101);
    expect(clock.toLocal(at(60_000))).to.be.closeTo(2100.5, 0.01);
  });

  it('is compared with the time of the machine, as far as the answers tell', () => {
    const clock = new StoreClock();
    const ahead = (ms: number): number => Math.round(clock.aheadOfStore(1_795_206_467_000 + 5000 + ms, 5100.5));
    expect(ahead(7_200_000), 'before the first answer').to.equal(0);
    clock.learn(at(0), 100, 101);
    expect([-7_200_000, 1500, -1500, 3000].map(ahead)).to.deep.equal([-7_200_000, 0, 0, 3000]);
  });

  it('follows a drift, because old answers are forgotten', () => {
    const clock = new StoreClock();
    for (let i = 0; i < 200; i++) clock.learn(at(i * 1000), 100 + i * 1000.1, 101 + i * 1000.1);
    expect(clock.toLocal(at(199_000))).to.be.closeTo(100.5 + 199 * 1000.1, 7);
  });
});
