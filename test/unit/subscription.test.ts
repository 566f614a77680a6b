import { expect } from 'chai';
import { Subscription } from '../../src/hub/subscription.ts';
import { BEGINNING, earlier, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

/** Well within any time that backlogs are kept for. */
const NOW = (Date.now() * 1000) as Position;
const at = (second: number): Position => (NOW + second * 1_000_000) as Position;

function heardAt(...seconds: number[]): Subscription {
  const subscription = new Subscription('room:918', { length: 3, ttl: 86_400_000 });
  let previous = BEGINNING;
  for (const second of seconds) {
    subscription.hear(aMessage({ id: at(second), previous }));
    previous = at(second);
  }
  return subscription;
}

const seconds = (subscription: Subscription, after: Position): number[] | undefined =>
  subscription.recent(after)?.map(({ id }) => (id - NOW) / 1_000_000);

describe('what a channel remembers', () => {
  it('is all after a position, or nothing is answered', () => {
    const subscription = heardAt(1, 2, 3, 4);
    expect(seconds(subscription, at(1))).to.deep.equal([2, 3, 4]);
    expect(seconds(subscription, at(4))).to.deep.equal([]);
    expect(seconds(subscription, at(0)), 'one was forgotten after it').to.equal(undefined);
  });

  it('is forgotten with time, and with it the right to answer for it', () => {
    const subscription = heardAt(1, 2, 3);
    subscription.forget(earlier(at(4), 1500));
    expect(seconds(subscription, at(2))).to.deep.equal([3]);
    expect(seconds(subscription, at(1))).to.equal(undefined);
    subscription.forget(at(10));
    expect(seconds(subscription, at(3)), 'nothing came after it').to.deep.equal([]);
    expect(seconds(subscription, at(2))).to.equal(undefined);
  });

  it('tells who waits that it has begun', async () => {
    const subscription = new Subscription('room:918', { length: 3, ttl: 86_400_000 });
    const begun = subscription.begun();
    expect(subscription.begun()).to.equal(begun);
    subscription.begin(at(1));
    await begun;
    expect(seconds(subscription, at(1))).to.deep.equal([]);
  });
});
