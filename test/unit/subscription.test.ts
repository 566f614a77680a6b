import { expect } from 'chai';
import { RecentMessages } from '../../src/hub/recent-messages.ts';
import { Subscription } from '../../src/hub/subscription.ts';
import { BEGINNING, earlier, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

/** When the test began (us): this file may have been loaded a quarter of an hour before. */
let began = 0;
const at = (second: number): Position => (began + second * 1_000_000) as Position;

const aSubscription = (ttl = 86_400_000, remembered = new RecentMessages()): Subscription =>
  new Subscription('room:918', () => ({ length: 3, ttl }), remembered);

function hear(subscription: Subscription, ...seconds: number[]): Subscription {
  let previous = subscription.head ?? BEGINNING;
  for (const second of seconds) {
    subscription.hear(aMessage({ id: at(second), previous }));
    previous = at(second);
  }
  return subscription;
}

const seconds = (subscription: Subscription, after: Position): number[] | undefined =>
  subscription.recent(after)?.map(({ message }) => (message.id - began) / 1_000_000);

describe('what a channel remembers', () => {
  beforeEach(() => {
    began = Date.now() * 1000;
  });

  it('is all after a position, or nothing is answered', () => {
    const subscription = hear(aSubscription(), 1, 2, 3, 4);
    expect(seconds(subscription, at(1))).to.deep.equal([2, 3, 4]);
    expect(seconds(subscription, at(4))).to.deep.equal([]);
    expect(seconds(subscription, at(0)), 'one was forgotten after it').to.equal(undefined);
  });

  it('proves nothing about what was forgotten before, if messages are kept for longer from now on', () => {
    let ttl = 1000;
    const subscription = new Subscription('room:918', () => ({ length: 3, ttl }), new RecentMessages());
    subscription.begin(BEGINNING);
    expect(seconds(subscription, at(-60))).to.equal(undefined);
    expect(seconds(subscription, at(-1))).to.deep.equal([]);
    ttl = 86_400_000;
    expect(seconds(subscription, at(-60))).to.equal(undefined);
    ttl = 500;
    expect(seconds(subscription, at(-5))).to.equal(undefined);
  });

  it('is the newest message where each replaces the ones before it', () => {
    const retention = () => ({ length: 1, ttl: 86_400_000, isConflated: true });
    const subscription = hear(new Subscription('sticker:1', retention, new RecentMessages()), 1, 2, 3, 4);
    for (const after of [1, 2, 3]) expect(seconds(subscription, at(after))).to.deep.equal([4]);
    expect(seconds(subscription, at(4))).to.deep.equal([]);
    subscription.restart(at(5));
    expect(seconds(subscription, at(4)), 'the newest is not in memory').to.equal(undefined);
    expect(seconds(hear(subscription, 6), at(1))).to.deep.equal([6]);
  });

  it('is forgotten with time, and with it the right to answer for it', () => {
    const remembered = new RecentMessages();
    const subscription = hear(aSubscription(undefined, remembered), 1, 2, 3);
    remembered.forget(earlier(at(4), 1500));
    expect(seconds(subscription, at(2))).to.deep.equal([3]);
    expect(seconds(subscription, at(1))).to.equal(undefined);
    remembered.forget(at(10));
    expect(seconds(subscription, at(3)), 'nothing came after it').to.deep.equal([]);
    expect(seconds(subscription, at(2))).to.equal(undefined);
  });

  it('knows the revision of the last message: one that was received, or that the store has said', () => {
    const subscription = aSubscription();
    subscription.begin(at(1));
    expect(subscription.revision).to.equal(undefined);
    subscription.learn({ revision: 4, last: at(0) });
    expect(subscription.revision, 'of another message').to.equal(undefined);
    subscription.learn({ revision: 4, last: at(1) });
    expect(subscription.revision).to.equal(4);
    for (const revision of [5, 6, 7]) {
      subscription.hear(aMessage({ id: at(revision), previous: subscription.head!, revision }));
    }
    subscription.learn({ revision: 4, last: at(1) });
    expect(subscription.revision).to.equal(7);
    const since = (revision: number) => subscription.recentAfter(revision)?.map(({ message }) => message.revision);
    expect([since(4), since(5), since(6)]).to.deep.equal([[5, 6, 7], [6, 7], [7]]);
    expect(since(3), 'one is not in memory').to.equal(undefined);
    subscription.restart(at(8));
    expect([subscription.revision, since(6)]).to.deep.equal([undefined, undefined]);
  });

  it('is left to the backlog when it is about to expire', () => {
    const subscription = hear(aSubscription(10_000_000), -9500, -8000);
    expect(seconds(subscription, at(-9500))).to.deep.equal([-8000]);
    expect(seconds(subscription, at(-10_000))).to.equal(undefined);
  });

  it('is not known to be nothing for a reader from long ago, where it begins with nothing', () => {
    const subscription = aSubscription(400_000);
    subscription.begin(BEGINNING);
    expect(seconds(subscription, at(-2000))).to.deep.equal([]);
    expect(seconds(subscription, at(-2600))).to.equal(undefined);
    expect(seconds(subscription, BEGINNING)).to.deep.equal([]);
    hear(subscription, 1);
    expect(seconds(subscription, at(-2000))).to.deep.equal([1]);
    expect(seconds(subscription, at(-2600))).to.equal(undefined);
    const day = aSubscription();
    day.begin(BEGINNING);
    expect(seconds(day, at(-3000))).to.deep.equal([]);
    expect(seconds(day, at(-3700)), 'its store is asked, which knows').to.equal(undefined);
  });

  it('is nothing that was rewritten', () => {
    const subscription = hear(aSubscription(), 1, 2, 3);
    subscription.restart(at(2));
    expect(seconds(subscription, at(2))).to.deep.equal([]);
    expect(seconds(subscription, at(1))).to.equal(undefined);
    subscription.hear(aMessage({ id: at(4), previous: at(1) }));
    expect(seconds(subscription, at(2))).to.deep.equal([4]);
    expect(seconds(subscription, at(1.5)), 'nobody knows what was here').to.equal(undefined);
  });

  it('is no more than 256 KB', () => {
    const subscription = new Subscription('room:918', () => ({ length: 100, ttl: 86_400_000 }), new RecentMessages());
    const payload = Buffer.alloc(64 * 1024);
    for (let i = 1; i <= 5; i++) subscription.hear(aMessage({ id: at(i), previous: at(i - 1), payload }));
    expect(seconds(subscription, at(1))).to.deep.equal([2, 3, 4, 5]);
    expect(seconds(subscription, at(0))).to.equal(undefined);
    const remembered = new RecentMessages();
    aSubscription(undefined, remembered).hear(aMessage({ payload: Buffer.alloc(256 * 1024 + 1) }));
    expect(remembered.blocks, 'others are not pushed out by what nobody is given').to.equal(0);
  });

  it('tells who waits that it has begun', async () => {
    const subscription = aSubscription();
    const begun = subscription.begun();
    expect(seconds(subscription, at(1))).to.equal(undefined);
    expect(subscription.begun()).to.equal(begun);
    subscription.begin(at(1));
    await begun;
    expect(seconds(subscription, at(1))).to.deep.equal([]);
  });
});
