import { expect } from 'chai';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { MemoryLog } from '../../src/store/memory/memory-log.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { Ear, LATER, publishOne, say, texts } from '../contract/store.ts';
import { readSlices } from '../support/read-slices.ts';

const HOUR = 3_600_000;
const START = 1_795_206_467_000;

function aClock() {
  const clock = { ms: START, now: () => clock.ms };
  return clock;
}

function aStore(now: () => number, length = 100): MemoryStore {
  return new MemoryStore({ retention: () => ({ length, ttl: HOUR }), maxMessage: 1000, now });
}

describe('the store in memory, by its own clock', () => {
  it('gives ids in microseconds of the clock, and ever higher ones when the clock stands or goes back', async () => {
    const clock = aClock();
    const store = aStore(clock.now);
    clock.ms += 1;
    const { id: first } = await publishOne(store, 'room:1');
    expect(first).to.equal((START + 1) * 1000);
    const { id: second } = await publishOne(store, 'room:1');
    expect(second).to.equal(first + 1);
    clock.ms -= HOUR;
    const { id: third } = await publishOne(store, 'room:1');
    expect(third).to.equal(first + 2);
  });

  it('remembers an idempotency key for 5 minutes', async () => {
    const clock = aClock();
    const store = aStore(clock.now);
    const publish = () => store.backlog.publish([say('room:1')], { key: 'k', fingerprint: 'f' });
    const first = await publish();
    clock.ms += 299_999;
    expect(await publish()).to.deep.equal(first);
    clock.ms += 1;
    expect((await publish())[0]!.revision).to.equal(2);
  });

  it('frees the backlogs of channels that have fallen silent, and keeps their counters', () => {
    const clock = aClock();
    const log = new MemoryLog(() => ({ length: 100, ttl: HOUR }), clock.now);
    const append = (channel: string) => log.append({ channel, data: Buffer.from('x') }, () => undefined);
    for (let i = 0; i < 1000; i++) append(`room:${i}`);
    expect(log.size).to.equal(1000);
    clock.ms += HOUR + 1000;
    for (let i = 0; i < 600; i++) append('room:loud');
    expect(log.size).to.equal(100);
    expect(append('room:7').revision).to.equal(2);
  });

  it('forgets channels a good while after their last message, and says so to whoever was away since before', async () => {
    const clock = aClock();
    const store = aStore(clock.now);
    const away = (await store.source.mark([])).position;
    await publishOne(store, 'room:1');
    clock.ms += 7 * HOUR + 1000;
    const later = (await publishOne(store, 'room:2')).id;
    const gaps = async (after: Position) => {
      const requests = ['room:1', 'room:2', 'room:3'].map((channel) => ({ channel, after, upTo: LATER }));
      return (await readSlices(store.backlog, requests)).map(({ gap }) => gap);
    };
    expect(await gaps(away)).to.deep.equal(['expired', 'expired', 'expired']);
    expect(await gaps(later)).to.deep.equal([undefined, undefined, undefined]);
    expect((await publishOne(store, 'room:1')).revision).to.equal(1);
    expect((await publishOne(store, 'room:2')).revision).to.equal(2);
  });

  it('is heard after the publisher has gone on, in the same turn', async () => {
    const store = aStore(aClock().now);
    const ear = await Ear.at(store, 'room:1');
    const publishing = store.backlog.publish([say('room:1', '1'), say('room:1', '2')]);
    expect(ear.messages).to.have.length(0);
    await publishing;
    expect(texts(ear.messages)).to.deep.equal(['1', '2']);
  });

  it('keeps its order for a listener that publishes while it listens', async () => {
    const store = aStore(aClock().now);
    const ear = await Ear.at(store, 'room:1');
    const hear = ear.message.bind(ear);
    ear.message = (message) => {
      if (message.payload.toString() === '1') void publishOne(store, 'room:1', '3');
      hear(message);
    };
    await store.backlog.publish([say('room:1', '1'), say('room:1', '2')]);
    await ear.mark();
    await ear.mark();
    expect(texts(ear.messages)).to.deep.equal(['1', '2', '3']);
  });

  it('says nothing after its end', async () => {
    const store = aStore(aClock().now);
    const ear = await Ear.at(store, 'room:1');
    const publishing = publishOne(store, 'room:1');
    await store.close();
    await publishing;
    expect(ear.messages).to.deep.equal([]);
    const late = aStore(aClock().now);
    const deaf = new Ear(late);
    late.source.start(deaf);
    await late.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(deaf.heard).to.deep.equal([]);
  });

  it('begins a life of its own', async () => {
    const clock = aClock();
    const first = (await (await Ear.at(aStore(clock.now))).mark()).born;
    clock.ms += 1;
    const second = (await (await Ear.at(aStore(clock.now))).mark()).born;
    expect(second).to.be.above(first);
    expect(first).to.be.above(BEGINNING);
  });
});
