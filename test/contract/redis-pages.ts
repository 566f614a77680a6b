import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { justBefore, type Position } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/wait.ts';
import { publishSizes, readPages } from './pages.ts';

import { DEFAULTS, LATER, type Settings, say } from './store.ts';

const MANY: Settings = { ...DEFAULTS, backlog: { ...DEFAULTS.backlog, length: 5000 } };
const BACKLOG = 'sisyphus:{0}:channel:room:1:msg_backlog';

/** What is particular to reading in pages from Redis, where others write meanwhile. */
export function redisPagesContract(openStore: (settings: Settings) => Promise<Store>, client: () => Redis): void {
  describe('reading in pages from Redis', () => {
    let store: Store;
    let redis: Redis;
    beforeEach(async () => {
      store = await openStore(MANY);
      redis = client();
    });
    afterEach(async () => {
      redis.disconnect();
      await store.close();
    });

    const sizes = (count: number, bytes: number, channels = 1) =>
      Array.from({ length: count }, (_, i) => ({ channel: 1 + (i % channels), bytes }));

    async function begin(sent: { id: Position }[], channels: string[], upTo: Position) {
      return store.backlog.open(
        channels.map((channel) => ({ channel, after: justBefore(sent[0]!.id), upTo })),
        undefined,
      );
    }

    it('tells what is trimmed after it began, before anything later of its channel', async () => {
      const sent = await publishSizes(store, sizes(20, 100_000, 2));
      const reading = await begin(sent, ['room:1', 'room:2'], sent.at(-1)!.id);
      expect(reading.gaps.size).to.equal(0);
      await redis.xtrim(BACKLOG, 'MAXLEN', 2);
      const { texts, gaps } = await readPages(reading);
      expect(gaps).to.deep.equal(['room:1 trimmed before 1']);
      const left = sent.filter(({ channel }, i) => channel === 'room:2' || i < 1 || i >= 16);
      expect(texts).to.deep.equal(left.map(({ text }) => text));
    });

    it('tells what is gone altogether', async () => {
      const sent = await publishSizes(store, sizes(20, 100_000, 2));
      const reading = await begin(sent, ['room:1', 'room:2'], sent.at(-1)!.id);
      await redis.del(BACKLOG);
      const { texts, gaps } = await readPages(reading);
      expect(gaps).to.deep.equal(['room:1 trimmed before 1']);
      expect(texts.filter((text) => text.startsWith('2:')).length).to.equal(10);
    });

    it('tells of nothing where only what came later is gone', async () => {
      const sent = await publishSizes(store, sizes(6, 100_000));
      const reading = await begin(sent, ['room:1'], sent.at(-1)!.id);
      const first = await reading.next();
      expect(first!.messages.length).to.equal(1);
      await reading.next();
      const later = await publishSizes(store, sizes(3, 10));
      await redis.xdel(BACKLOG, `${later[0]!.id}-0`);
      const { texts, gaps } = await readPages(reading);
      expect([texts.length, gaps]).to.deep.equal([3, []]);
    });

    it('passes over what somebody else has put into a backlog', async () => {
      const sent = await publishSizes(store, sizes(3, 10));
      for (let i = 1; i <= 40; i++) await redis.xadd(BACKLOG, `${sent[2]!.id}-${i}`, 'm', 'not ours');
      await redis.xadd(BACKLOG, `${sent[2]!.id}-41`, 'm', `${sent[2]!.id} 9 9 - - -\nnot ours`);
      const [last] = await store.backlog.publish([say('room:1', 'ours ')]);
      const reading = await begin(sent, ['room:1'], LATER);
      expect(reading.gaps.size).to.equal(0);
      const { texts, gaps } = await readPages(reading);
      expect(texts).to.deep.equal([...sent.map(({ text }) => text), 'ours ']);
      expect([last!.revision, gaps]).to.deep.equal([4, []]);
    });

    it('asks for little at a time, however much is owed to however many', async () => {
      const sent = await publishSizes(store, [...sizes(40, 100_000), ...sizes(800, 5000, 400)]);
      const names = Array.from({ length: 400 }, (_, i) => `room:${1 + i}`);
      let most = 0;
      let done = false;
      const watching = (async () => {
        while (!done) {
          for (const line of String(await redis.client('LIST')).split('\n')) {
            const [, memory] = /name=sisyphus:replays .* tot-mem=(\d+)/.exec(line) ?? [];
            most = Math.max(most, Number(memory ?? 0));
          }
          await wait(2);
        }
      })();
      const readings = Array.from({ length: 8 }, async () => readPages(await begin(sent, names, LATER)));
      const read = await Promise.all(readings);
      done = true;
      await watching;
      for (const { texts } of read) expect(texts).to.deep.equal(sent.map(({ text }) => text));
      // Eight pages of 256 KB, and what Redis keeps for a connection.
      expect(most).to.be.above(0).and.below(4_000_000);
    });

    it('goes on with a replica if there is no master', async () => {
      const sent = await publishSizes(store, sizes(5, 100_000));
      const reading = await begin(sent, ['room:1'], LATER);
      await redis.replicaof('127.0.0.1', 1);
      try {
        const { texts } = await readPages(reading);
        expect(texts).to.deep.equal(sent.map(({ text }) => text));
      } finally {
        await redis.replicaof('NO', 'ONE');
      }
    });

    it('goes on where its connection was lost', async () => {
      const sent = await publishSizes(store, sizes(30, 100_000));
      const reading = await begin(sent, ['room:1'], LATER);
      const texts: string[] = [];
      for (let page = await reading.next(); page; page = await reading.next()) {
        for (const { payload } of page.messages) texts.push(/^\S+ /.exec(payload.toString('latin1', 0, 30))![0]);
        const [, id] = /id=(\d+) [^\n]*name=sisyphus:replays/.exec(String(await redis.client('LIST'))) ?? [];
        await redis.client('KILL', 'ID', id!);
        await eventually(async () => !String(await redis.client('LIST')).includes(`id=${id} `));
      }
      expect(texts).to.deep.equal(sent.map(({ text }) => text));
    });
  });
}
