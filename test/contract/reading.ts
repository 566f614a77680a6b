import { expect } from 'chai';
import { BEGINNING, justBefore, type Position } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { readSlices } from '../support/read-slices.ts';
import { eventually } from '../support/wait.ts';
import { DEFAULTS, kept, LATER, type Open, publishOne, say, texts } from './store.ts';

async function publishMany(store: Store, channel: string, count: number): Promise<Position[]> {
  const answer = await store.backlog.publish(Array.from({ length: count }, (_, i) => say(channel, `${i + 1}`)));
  return answer.map(({ id }) => id);
}

async function read(store: Store, channel: string, after: Position) {
  const [slice] = await readSlices(store.backlog, [{ channel, after, upTo: LATER }]);
  return { texts: texts(slice!.messages), gap: slice!.gap };
}

export function readingContract(open: Open): void {
  describe('reading a backlog', () => {
    it('gives everything after a position, up to and with another', async () => {
      const store = await open();
      const ids = await publishMany(store, 'room:1', 5);
      expect(texts(await kept(store, 'room:1', ids[1]!))).to.deep.equal(['3', '4', '5']);
      expect(texts(await kept(store, 'room:1', ids[1]!, ids[3]!))).to.deep.equal(['3', '4']);
      expect(texts(await kept(store, 'room:1', (ids[1]! - 1) as Position, ids[1]!))).to.deep.equal(['2']);
      expect(texts(await kept(store, 'room:1', ids[4]!))).to.deep.equal([]);
    });

    it('gives the last so many', async () => {
      const store = await open();
      await publishMany(store, 'room:1', 5);
      const slices = await readSlices(
        store.backlog,
        [2, 5, 9].map((last) => ({ channel: 'room:1', after: BEGINNING, upTo: LATER, last })),
      );
      expect(slices.map(({ messages }) => texts(messages).join())).to.deep.equal(['4,5', '1,2,3,4,5', '1,2,3,4,5']);
      expect(slices.map(({ gap }) => gap)).to.deep.equal([undefined, undefined, undefined]);
    });

    it('says the revision and the id of the last message, whether or not messages are kept', async () => {
      const store = await open({ backlog: { length: 2, ttl: 3_600_000, rules: [] } });
      const ids = await publishMany(store, 'room:1', 5);
      const [id] = await publishMany(store, 'user:7', 1);
      const never = Array.from({ length: 600 }, (_, i) => `room:never${i}`);
      const found = await store.backlog.counters(['room:1', ...never, 'user:7']);
      expect([found[0], found[1], found.at(-1), found.length]).to.deep.equal([
        { revision: 5, last: ids[4] },
        { revision: 0, last: BEGINNING },
        { revision: 1, last: id },
        602,
      ]);
      expect(await store.backlog.counters([])).to.deep.equal([]);
    });

    it('gives many channels at once, in the order asked for, also such as never were', async () => {
      const store = await open();
      await publishMany(store, 'room:1', 1);
      await publishMany(store, 'room:2', 2);
      const slices = await readSlices(
        store.backlog,
        ['room:2', 'room:never', 'room:1', 'room:2'].map((channel) => ({ channel, after: BEGINNING, upTo: LATER })),
      );
      expect(slices.map(({ channel }) => channel)).to.deep.equal(['room:2', 'room:never', 'room:1', 'room:2']);
      expect(slices.map(({ messages }) => messages.length)).to.deep.equal([2, 0, 1, 2]);
      expect(slices.every(({ gap }) => gap === undefined)).to.equal(true);
      expect(await readSlices(store.backlog, [])).to.deep.equal([]);
    });

    it('gives the same to many who ask at once', async () => {
      const store = await open();
      await publishMany(store, 'room:1', 3);
      const all = await Promise.all(Array.from({ length: 50 }, () => kept(store, 'room:1')));
      for (const messages of all) expect(texts(messages)).to.deep.equal(['1', '2', '3']);
    });
  });

  describe('retention', () => {
    it('keeps so many of a channel, and tells that the others were trimmed', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, length: 3 } });
      const ids = await publishMany(store, 'room:1', 5);
      expect(await read(store, 'room:1', BEGINNING)).to.deep.equal({ texts: ['3', '4', '5'], gap: 'trimmed' });
      expect(await read(store, 'room:1', ids[0]!)).to.deep.equal({ texts: ['3', '4', '5'], gap: 'trimmed' });
      expect(await read(store, 'room:1', (ids[1]! - 1) as Position)).to.deep.equal({
        texts: ['3', '4', '5'],
        gap: 'trimmed',
      });
    });

    it('tells of no gap to whoever has what was trimmed', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, length: 3 } });
      const ids = await publishMany(store, 'room:1', 5);
      expect(await read(store, 'room:1', ids[1]!)).to.deep.equal({ texts: ['3', '4', '5'], gap: undefined });
      expect(await read(store, 'room:1', ids[3]!)).to.deep.equal({ texts: ['5'], gap: undefined });
      expect(await read(store, 'room:1', ids[4]!)).to.deep.equal({ texts: [], gap: undefined });
      expect(await read(store, 'room:1', LATER)).to.deep.equal({ texts: [], gap: undefined });
    });

    it('keeps by the first rule that fits the channel', async () => {
      const rules = [
        { pattern: 'sticker:*', length: 1 },
        { pattern: 'room:9?', length: 4 },
        { pattern: 'room:*', length: 2 },
      ];
      const store = await open({ backlog: { length: 3, ttl: DEFAULTS.backlog.ttl, rules } });
      const kept: Record<string, number> = {
        'sticker:1': 1,
        'room:91': 4,
        'room:918': 2,
        'folder:1': 3,
        stickers: 3,
        'xroom:1': 3,
      };
      for (const channel of Object.keys(kept)) await publishMany(store, channel, 6);
      for (const [channel, count] of Object.entries(kept)) {
        const slice = await read(store, channel, BEGINNING);
        const gap = channel === 'sticker:1' ? undefined : 'trimmed';
        expect(slice, channel).to.deep.equal({ texts: ['1', '2', '3', '4', '5', '6'].slice(-count), gap });
      }
    });

    it('tells of no gap on a channel whose rule keeps one message, as long as the newest one is kept', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, rules: [{ pattern: '*', length: 1 }] } });
      const ids = await publishMany(store, 'sticker:1', 5);
      const newest = { texts: ['5'], gap: undefined };
      for (const after of [BEGINNING, justBefore(ids[0]!), ids[0]!, ids[3]!]) {
        expect(await read(store, 'sticker:1', after)).to.deep.equal(newest);
      }
      expect(await read(store, 'sticker:1', ids[4]!)).to.deep.equal({ texts: [], gap: undefined });
      // What replaces the message that was asked for comes live.
      const [earlier] = await readSlices(store.backlog, [{ channel: 'sticker:1', after: ids[0]!, upTo: ids[2]! }]);
      expect([texts(earlier!.messages), earlier!.gap]).to.deep.equal([[], undefined]);
    });

    it('tells that the newest message of such a channel has expired, because nothing replaces it', async () => {
      const store = await open({ backlog: { length: 3, ttl: 400, rules: [{ pattern: '*', length: 1 }] } });
      const ids = await publishMany(store, 'sticker:1', 5);
      await eventually(async () => (await kept(store, 'sticker:1')).length === 0);
      expect(await read(store, 'sticker:1', ids[3]!)).to.deep.equal({ texts: [], gap: 'expired' });
      expect(await read(store, 'sticker:1', ids[4]!)).to.deep.equal({ texts: [], gap: undefined });
      await publishOne(store, 'sticker:1', '6');
      expect(await read(store, 'sticker:1', ids[0]!)).to.deep.equal({ texts: ['6'], gap: undefined });
    });

    it('tells of what was trimmed on the channel of a user, and where no rule keeps one message', async () => {
      const rules = [{ pattern: 'user:*', length: 1 }];
      const store = await open({ backlog: { length: 1, ttl: DEFAULTS.backlog.ttl, rules } });
      for (const channel of ['user:7', 'room:1']) {
        const [first] = await publishMany(store, channel, 3);
        expect(await read(store, channel, first!), channel).to.deep.equal({ texts: ['3'], gap: 'trimmed' });
      }
    });

    it('keeps for so long, and tells that the others have expired', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, ttl: 400 } });
      const [first, second] = (await publishMany(store, 'room:1', 2)) as [Position, Position];
      expect(await read(store, 'room:1', BEGINNING)).to.deep.equal({ texts: ['1', '2'], gap: undefined });
      await eventually(async () => (await kept(store, 'room:1')).length === 0);
      expect(await read(store, 'room:1', BEGINNING)).to.deep.equal({ texts: [], gap: 'expired' });
      expect(await read(store, 'room:1', first)).to.deep.equal({ texts: [], gap: 'expired' });
      expect(await read(store, 'room:1', second)).to.deep.equal({ texts: [], gap: undefined });
      const [third] = await store.backlog.publish([say('room:1', '3')]);
      expect(third!.revision).to.equal(3);
      expect(await read(store, 'room:1', first)).to.deep.equal({ texts: ['3'], gap: 'expired' });
      expect(await read(store, 'room:1', second)).to.deep.equal({ texts: ['3'], gap: undefined });
    });

    it('does not replay what is too old from a channel that goes on', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, ttl: 400 } });
      const [first] = await publishMany(store, 'room:1', 1);
      await eventually(async () => {
        const { id } = await publishOne(store, 'room:1', 'more');
        return id > first! + 500_000;
      });
      const messages = await kept(store, 'room:1');
      expect(texts(messages)).not.to.include('1');
      expect(messages.length).to.be.above(0);
      const [slice] = await readSlices(store.backlog, [
        { channel: 'room:1', after: BEGINNING, upTo: LATER, last: 100 },
      ]);
      expect(slice!.messages[0]!.id).to.be.at.least(messages[0]!.id);
    });

    it('keeps counting when nothing is kept', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, ttl: 100 } });
      const first = await publishOne(store, 'room:1');
      await eventually(async () => (await kept(store, 'room:1')).length === 0);
      const [second] = await store.backlog.publish([say('room:1')]);
      expect(second!.revision).to.equal(2);
      const [message] = await kept(store, 'room:1');
      expect(message!.previous).to.equal(first.id);
    });
  });
}
