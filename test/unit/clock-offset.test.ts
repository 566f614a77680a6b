import { expect } from 'chai';
import type { Position } from '../../src/message/position.ts';
import { ClockOffset } from '../../src/store/redis/clock-offset.ts';

/** By the store's clock, in milliseconds. */
const at = (ms: number): Position => (1_795_206_467_000_000 + ms * 1000) as Position;

describe('the clock of the store, as this process sees it', () => {
  it('is known best by the answer that was fastest', () => {
    const clock = new ClockOffset();
    for (const [store, delay] of [
      [0, 5],
      [1000, 0.5],
      [2000, 8],
    ] as const)
      clock.learn(at(store), 100 + store + delay);
    expect(clock.toLocal(at(1500))).to.be.closeTo(1600.5, 0.01);
  });

  it('is never taken for an earlier one than it was, while answers come as late as they like', () => {
    const clock = new ClockOffset();
    for (let i = 0; i < 50; i++) {
      clock.learn(at(i * 1000), 100 + i * 1000 + Math.random() * 90);
      expect(clock.toLocal(at(i * 1000))).to.be.at.least(100 + i * 1000 - 0.01);
    }
  });

  it('is learnt anew if it was set, and as it drifts', () => {
    const clock = new ClockOffset();
    clock.learn(at(0), 100);
    clock.learn(at(1000), 1400);
    expect(clock.toLocal(at(1000))).to.be.closeTo(1400, 0.01);
    for (let i = 2; i < 8; i++) clock.learn(at(i * 1000), 450 + i * 1000);
    expect(clock.toLocal(at(8000))).to.be.closeTo(8450, 0.01);
  });
});
