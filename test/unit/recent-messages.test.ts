import { expect } from 'chai';
import fc from 'fast-check';
import { type Entry, NONE, RecentMessages } from '../../src/hub/recent-messages.ts';
import { Subscription } from '../../src/hub/subscription.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage, eventNames, messages } from '../support/messages.ts';

/** So that four messages of 60 bytes fill a block. */
const BLOCK = 512;
const BLOCKS = 3;

/** What chai compares byte by byte otherwise. */
const readable = (message: Message) => ({ ...message, payload: message.payload.toString('hex') });

/** One channel, whose messages are numbered from 1. */
class Channel {
  last: Entry = NONE;
  count = 0;

  constructor(readonly remembered: RecentMessages) {}

  add(size = 60): void {
    const id = ++this.count as Position;
    const known = (id - 1) as Position;
    this.last = this.remembered.add(
      aMessage({ id, previous: known, payload: Buffer.alloc(size, id) }),
      known,
      this.last,
    );
  }

  since(after: number): number[] | undefined {
    return this.remembered
      .since(after as Position, 'room:918', this.last, 100, 10_000)
      ?.map(({ message }) => message.id);
  }
}

describe('what a process remembers', () => {
  it('comes back as it was heard, whatever it was', () => {
    const remembered = new RecentMessages();
    fc.assert(
      fc.property(messages, (message) => {
        const entry = remembered.add(message, BEGINNING, NONE);
        const [back] = remembered.since(BEGINNING, message.channel, entry, 1, 10_000)!;
        expect(readable(back!.message)).to.deep.equal(readable(message));
      }),
      { numRuns: 1000 },
    );
  });

  it('does not change when the publisher, or the block, is written again', () => {
    const remembered = new RecentMessages(BLOCK, BLOCKS);
    const payload = Buffer.from('hello');
    const entry = remembered.add(aMessage({ payload }), BEGINNING, NONE);
    payload.fill('x');
    const [kept] = remembered.since(BEGINNING, 'room:918', entry, 1, 100)!;
    const other = new Channel(remembered);
    for (let i = 0; i < 100; i++) other.add();
    expect(kept!.message.payload.toString()).to.equal('hello');
    expect(remembered.since(BEGINNING, 'room:918', entry, 1, 100)).to.equal(undefined);
  });

  it('makes room for what comes, the oldest block first, and says so', () => {
    const channel = new Channel(new RecentMessages(BLOCK, BLOCKS));
    for (let i = 0; i < 12; i++) channel.add();
    expect(channel.since(0)).to.have.length(12);
    channel.add();
    expect(channel.since(3), 'message 4 was in the first block').to.equal(undefined);
    expect(channel.since(4)).to.deep.equal([5, 6, 7, 8, 9, 10, 11, 12, 13]);
    for (let i = 0; i < 1000; i++) channel.add();
    expect(channel.since(1003)).to.equal(undefined);
    expect(channel.since(1004)).to.deep.equal([1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013]);
  });

  it('of one channel goes when another is loud', () => {
    const remembered = new RecentMessages(BLOCK, BLOCKS);
    const [quiet, loud] = [new Channel(remembered), new Channel(remembered)];
    quiet.add();
    for (let i = 0; i < 12; i++) loud.add();
    expect(quiet.since(0)).to.equal(undefined);
    quiet.add();
    expect(quiet.since(1)).to.deep.equal([2]);
    expect(quiet.since(0)).to.equal(undefined);
  });

  it('takes no more memory than what is not old yet', () => {
    const remembered = new RecentMessages(BLOCK, BLOCKS);
    const channel = new Channel(remembered);
    expect(remembered.blocks).to.equal(0);
    for (let i = 0; i < 100; i++) channel.add();
    expect(remembered.blocks).to.equal(BLOCKS);
    remembered.forget(98 as Position);
    expect(remembered.blocks).to.equal(1);
    expect(channel.since(97)).to.deep.equal([98, 99, 100]);
    expect(channel.since(96), 'its block is there still').to.equal(undefined);
    remembered.forget(101 as Position);
    expect(remembered.blocks).to.equal(0);
    channel.add();
    expect(channel.since(100)).to.deep.equal([101]);
  });

  it('is forgotten by the clock of a store that began again', () => {
    const remembered = new RecentMessages(BLOCK, BLOCKS);
    const add = (id: number) => remembered.add(aMessage({ id: id as Position }), BEGINNING, NONE);
    const read = (entry: Entry) => remembered.since(BEGINNING, 'room:918', entry, 1, 100);
    add(1000);
    remembered.forget(1001 as Position);
    const entry = add(10);
    remembered.forget(9 as Position);
    expect(read(entry)).to.have.length(1);
    remembered.forget(11 as Position);
    expect(read(entry)).to.equal(undefined);
    expect(remembered.blocks).to.equal(0);
  });

  it('is one object for all who come back at once', () => {
    const remembered = new RecentMessages();
    const entry = remembered.add(aMessage(), BEGINNING, NONE);
    const read = () => remembered.since(BEGINNING, 'room:918', entry, 1, 100)![0];
    const first = read();
    expect(read()).to.equal(first);
    remembered.forget(BEGINNING);
    expect(read()).to.not.equal(first);
    expect(read()).to.deep.equal(first);
  });

  it('is not a message larger than a block; what was before it is then not answered for', () => {
    const remembered = new RecentMessages(BLOCK, BLOCKS);
    const subscription = new Subscription(
      'room:918',
      () => ({ length: 100, ttl: Number.POSITIVE_INFINITY }),
      remembered,
    );
    const hear = (id: number, size: number) =>
      subscription.hear(aMessage({ id: id as Position, previous: (id - 1) as Position, payload: Buffer.alloc(size) }));
    hear(1, BLOCK - 64);
    expect(subscription.recent(BEGINNING)).to.have.length(1);
    hear(2, BLOCK - 63);
    expect(subscription.recent(1 as Position)).to.equal(undefined);
    expect(subscription.recent(2 as Position)).to.deep.equal([]);
    hear(3, 1);
    expect(subscription.recent(1 as Position)).to.equal(undefined);
    expect(subscription.recent(2 as Position)).to.have.length(1);
  });
});

/** As it would be with every message kept for good: what has to come back, if anything does. */
interface Model {
  subscription: Subscription;
  /** Since the channel was last begun anew, and from where. */
  from: Position;
  heard: Message[];
}

const NAMES = ['room:0', 'room:1', 'room:2'];
const LENGTH = 8;
const steps = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({ hear: fc.nat(2), size: fc.oneof(fc.nat(80), fc.nat(600)), event: eventNames }),
    },
    { weight: 3, arbitrary: fc.record({ forget: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ restart: fc.nat(2) }) },
    { weight: 6, arbitrary: fc.record({ ask: fc.nat(2), back: fc.nat(40) }) },
  ),
  { minLength: 20, maxLength: 150 },
);

describe('what channels remember together', () => {
  it('is all after a position or nothing, and all of it while it fits', () => {
    let [answered, refused] = [0, 0];
    fc.assert(
      fc.property(steps, (sequence) => {
        const remembered = new RecentMessages(BLOCK, BLOCKS);
        const retention = { length: LENGTH, ttl: Number.POSITIVE_INFINITY };
        const models = NAMES.map((name): Model => {
          return { subscription: new Subscription(name, () => retention, remembered), from: BEGINNING, heard: [] };
        });
        let clock = 1000;
        let forgotten = 0;
        /** Of all channels, for the bytes that came since. */
        const written: { id: number; size: number }[] = [];
        for (const step of sequence) {
          clock += 1;
          if ('hear' in step) {
            const { heard, subscription, from } = models[step.hear]!;
            const previous = heard.at(-1)?.id ?? from;
            const payload = Buffer.alloc(step.size, clock);
            const id = clock as Position;
            const message = aMessage({ channel: subscription.channel, id, previous, payload, event: step.event });
            subscription.hear(message);
            heard.push(message);
            written.push({ id, size: 64 + 20 + 8 + step.size });
          } else if ('forget' in step) {
            forgotten = Math.max(forgotten, clock - step.forget);
            remembered.forget(forgotten as Position);
          } else if ('restart' in step) {
            const model = models[step.restart]!;
            model.from = clock as Position;
            model.heard = [];
            model.subscription.restart(model.from);
          } else {
            const { subscription, heard, from } = models[step.ask]!;
            if (subscription.head === undefined) continue;
            const after = (clock - step.back) as Position;
            const recent = subscription.recent(after);
            const expected = heard.filter(({ id }) => id > after);
            if (recent) {
              answered++;
              expect(recent.map(({ message }) => readable(message))).to.deep.equal(expected.map(readable));
              expect(after >= from || expected.length === 0).to.equal(true);
              expect(expected.length).to.be.at.most(LENGTH);
              expect(expected.every(({ id }) => id >= forgotten)).to.equal(true);
              continue;
            }
            refused++;
            const since = written.filter(({ id }) => id >= (expected[0]?.id ?? 0));
            const fits =
              expected.length <= LENGTH &&
              after >= from &&
              expected.every(({ id, payload }) => id >= forgotten && payload.length <= BLOCK - 64 - 20 - 8) &&
              since.reduce((sum, { size }) => sum + size, 0) < BLOCK;
            expect(fits, `nothing after ${after}, where ${expected.length} messages should be known`).to.equal(false);
          }
        }
      }),
      { numRuns: 500 },
    );
    expect(answered, 'answered').to.be.above(1000);
    expect(refused, 'refused').to.be.above(500);
  });
});
