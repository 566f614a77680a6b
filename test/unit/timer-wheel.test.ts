import { expect } from 'chai';
import fc from 'fast-check';
import { TimerWheel } from '../../src/session/timer-wheel.ts';

const STEP = 10;

describe('a schedule', () => {
  it('gives each at its time or with the next look after it, once, and at the last time it was given', () => {
    const action = fc.oneof(
      fc.record({ item: fc.nat(5), in: fc.integer({ min: -50, max: 300 }) }),
      fc.record({ removed: fc.nat(5) }),
      fc.record({ later: fc.nat(120) }),
    );
    fc.assert(
      fc.property(fc.nat(1000), fc.array(action, { maxLength: 60 }), (start, actions) => {
        let now = start;
        const schedule = new TimerWheel<number>(STEP, now);
        const model = new Map<number, number>();
        const since = new Map<number, number>();
        for (const action of actions) {
          if ('item' in action) {
            schedule.add(action.item, now + action.in);
            model.set(action.item, now + action.in);
            // What is late already when it is added has its time now.
            since.set(action.item, Math.max(now, now + action.in));
          } else if ('removed' in action) {
            schedule.delete(action.removed);
            model.delete(action.removed);
          } else {
            now += action.later;
            const taken = schedule.take(now);
            expect(new Set(taken).size).to.equal(taken.length);
            for (const item of taken) {
              expect(model.get(item), 'not on it, or before its time').to.be.at.most(now);
              model.delete(item);
            }
            for (const item of model.keys()) expect(since.get(item), 'forgotten').to.be.above(now - 2 * STEP);
          }
        }
      }),
    );
  });

  it('keeps nothing of what was taken or removed', () => {
    const schedule = new TimerWheel<string>(STEP, 0);
    schedule.add('a', 50);
    schedule.add('b', 50);
    schedule.delete('a');
    expect(schedule.take(100)).to.deep.equal(['b']);
    expect(schedule.take(1000)).to.deep.equal([]);
  });
});
