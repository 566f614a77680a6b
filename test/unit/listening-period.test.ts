import { expect } from 'chai';
import type { Position } from '../../src/message/position.ts';
import { ListeningPeriod } from '../../src/recorder/listening-period.ts';

const at = (id: number) => id as Position;
const life = 'life';

/** One that has begun at 100, where there had been 7 plain PUBLISHes. */
function begun(): ListeningPeriod {
  const period = new ListeningPeriod();
  period.anchored(at(100), { life, number: 7 });
  period.begin();
  return period;
}

function hear(period: ListeningPeriod, ...texts: string[]): void {
  for (const text of texts) period.hear('room:1', Buffer.from(text), true);
}

const places = (period: ListeningPeriod) => period.queue.map(({ id, number }) => `${id}.${number}`);

describe('a period of hearing', () => {
  it('has a name of its own', () => {
    expect(new ListeningPeriod().name).not.to.equal(new ListeningPeriod().name);
  });

  it('knows no places before its first anchor, and begins there', () => {
    const period = new ListeningPeriod();
    hear(period, 'too early');
    expect(period.from).to.equal(undefined);
    expect(period.queue).to.deep.equal([]);
    period.anchored(at(100), { life, number: 7 });
    period.begin();
    period.anchored(at(200), { life, number: 9 });
    expect(period.from).to.equal(100);
    expect(period.fromCount).to.deep.equal({ life, number: 7 });
  });

  it('numbers what it hears behind the last id that went by, recorded or an anchor', () => {
    const period = begun();
    hear(period, 'a', 'b');
    period.recorded(at(101));
    hear(period, 'c');
    period.anchored(at(105), { life, number: 10 });
    hear(period, 'd', 'e');
    expect(places(period)).to.deep.equal(['100.1', '100.2', '101.1', '105.1', '105.2']);
    expect(period.queue.map(({ payload }) => payload.toString()).join('')).to.equal('abcde');
  });

  it('counts on from what the last anchor said, also what is not recorded', () => {
    const period = begun();
    hear(period, 'a');
    period.hear('__redis__:invalidate', Buffer.from('not recorded'), false);
    hear(period, 'b');
    expect(period.queue.map(({ count }) => count.number)).to.deep.equal([8, 10]);
    expect(places(period), 'what is not recorded has no place').to.deep.equal(['100.1', '100.2']);
    expect(period.place).to.deep.equal({ id: 100, number: 2, count: { life, number: 10 } });
    // Somebody published on a channel that is no plain one.
    period.anchored(at(105), { life, number: 20 });
    hear(period, 'c');
    expect(period.queue.at(-1)!.count).to.deep.equal({ life, number: 21 });
  });

  it('does not count what it hears once more was heard than Redis has counted, and neither does the next one', () => {
    const period = begun();
    hear(period, 'a', 'b');
    expect(period.overcounts).to.equal(false);
    period.anchored(at(105), { life, number: 8 });
    expect(period.overcounts).to.equal(true);
    hear(period, 'c');
    expect(period.queue.map(({ count }) => count.number)).to.deep.equal([8, 9, 8]);
    const next = new ListeningPeriod(period.overcounts);
    next.anchored(at(110), { life, number: 9 });
    next.begin();
    hear(next, 'd');
    expect(next.queue.map(({ count }) => count.number)).to.deep.equal([9]);
  });

  it('counts on where Redis counts anew, in another life', () => {
    const period = begun();
    period.anchored(at(105), { life: 'another', number: 0 });
    expect(period.overcounts).to.equal(false);
    hear(period, 'a');
    expect(period.place.count).to.deep.equal({ life: 'another', number: 1 });
  });

  it('forgets what is recorded, up to a place, and keeps what is behind it', () => {
    const period = begun();
    hear(period, 'a', 'b');
    period.recorded(at(110));
    hear(period, 'c', 'd');
    period.forget({ id: at(99), number: 5 });
    expect(places(period)).to.deep.equal(['100.1', '100.2', '110.1', '110.2']);
    period.forget({ id: at(100), number: 1 });
    expect(places(period)).to.deep.equal(['100.2', '110.1', '110.2']);
    period.forget({ id: at(110), number: 1 });
    expect(places(period)).to.deep.equal(['110.2']);
    period.forget({ id: at(111), number: 0 });
    expect(places(period)).to.deep.equal([]);
    expect(period.place).to.deep.include({ id: 110, number: 2 });
  });

  it('gives batches in order, as many as one script call should bear', () => {
    const period = begun();
    const texts = Array.from({ length: 600 }, (_, i) => String(i));
    hear(period, ...texts);
    const given: string[] = [];
    const sizes: number[] = [];
    while (period.queue.length > 0) {
      const batch = period.nextBatch();
      sizes.push(batch.length);
      given.push(...batch.map(({ payload }) => payload.toString()));
      expect(period.queue[0], 'it stays queued until it is known to be recorded').to.equal(batch[0]);
      period.forget(batch.at(-1)!);
    }
    expect(sizes).to.deep.equal([256, 256, 88]);
    expect(given).to.deep.equal(texts);
  });

  it('gives as many bytes at once as one script call should bear, and what is larger alone', () => {
    const period = begun();
    const sizes = [400_000, 400_000, 400_000, 2_000_000, 2_000_000, 10];
    for (const size of sizes) period.hear('room:1', Buffer.alloc(size), true);
    const given: number[][] = [];
    while (period.queue.length > 0) {
      const batch = period.nextBatch();
      given.push(batch.map(({ payload }) => payload.length));
      period.forget(batch.at(-1)!);
    }
    expect(given).to.deep.equal([[400_000, 400_000], [400_000], [2_000_000], [2_000_000], [10]]);
  });
});
