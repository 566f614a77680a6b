import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type PublishedAt, wasPublishedAfter } from '../../src/message/message.ts';
import type { Position } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { DEFAULTS, kept, publishOne, type Settings } from './store.ts';

const LIST = 'user:7:channels';
const LEASE = 'sisyphus:{0}:recorder';

interface Granted {
  at: number;
  /** Of the plain PUBLISH that announced it: the id before it, and its own. */
  after: number | undefined;
  by: number | undefined;
}

/** Rights that a plain PUBLISH has announced, or may have, before it is recorded. */
export function redisUnsettledContract(openStore: (settings: Settings) => Promise<Store>, client: () => Redis): void {
  describe('a change of rights, while plain PUBLISHes are not recorded yet', () => {
    let store: Store;
    let redis: Redis;
    let recorder: RawRecorder;
    beforeEach(async () => {
      store = await openStore(DEFAULTS);
      redis = client();
      recorder = await RawRecorder.begin(client, 'a');
      expect(await recorder.lease('keep')).to.equal('leader');
      await redis.sadd(LIST, 'room:1');
      expect(await rights()).to.be.a('map');
    });
    afterEach(async () => {
      recorder.end();
      redis.disconnect();
      await store.close();
    });

    async function rights(mode: 'look' | 'settle' = 'look'): Promise<Map<string, Granted> | 'unsettled'> {
      const [answer] = (await redis.fcall('sisyphus_rights', 0, mode, '7', '-')) as ['unsettled' | string[]];
      if (answer === 'unsettled') return answer;
      const [, , names = '', places = '', announced = ''] = answer;
      const at = places.split(' ').map(Number);
      const words = announced.split(' ');
      return new Map(
        names.split(' ').map((name, i) => {
          const word = words.indexOf(name);
          const [after, by] = word < 0 ? [] : words.slice(word + 1, word + 3).map(Number);
          return [name, { at: at[i]!, after, by }];
        }),
      );
    }

    async function granted(channel: string): Promise<Granted> {
      const channels = await rights();
      expect(channels).not.to.equal('unsettled');
      return (channels as Map<string, Granted>).get(channel)!;
    }

    /** As an application does it: the list, then a plain message. It is heard by the recorder, which takes its time. */
    async function grantPlain(channel: string): Promise<void> {
      await redis.sadd(LIST, channel);
      await redis.publish('user:7', `granted ${channel}`);
      await recorder.hears(1);
    }

    async function recordAll(): Promise<void> {
      await recorder.record(await recorder.hears(1));
    }

    it('is unsettled where a message by script showed it first, and counts from the plain one once that is recorded', async () => {
      const before = await publishOne(store, 'room:2', 'before');
      await grantPlain('room:2');
      const between = await publishOne(store, 'room:2', 'between the two');
      const script = await publishOne(store, 'user:7', 'shows the change');
      expect(await rights()).to.equal('unsettled');
      expect(await rights()).to.equal('unsettled');
      await recordAll();
      const { at, after, by } = await granted('room:2');
      const [, plain] = await kept(store, 'user:7');
      expect({ at, after, by }).to.deep.equal({ at: script.id, after: before.id, by: plain!.id });
      const announced: PublishedAt = { id: by as Position, after: after as Position };
      const owed = (await kept(store, 'room:2')).filter((message) => wasPublishedAfter(message, announced));
      expect(owed.map(({ id }) => id)).to.deep.equal([between.id]);
    });

    it('counts from the first plain one that may have announced it, whatever is recorded later', async () => {
      const before = await publishOne(store, 'room:2', 'before');
      await grantPlain('room:2');
      await publishOne(store, 'room:2', 'between');
      await redis.publish('user:7', 'later, and before the change has shown');
      await recorder.hears(2);
      await publishOne(store, 'user:7', 'shows the change');
      await recordAll();
      const first = await granted('room:2');
      expect(first.after).to.equal(before.id);
      await redis.publish('user:7', 'later');
      await recordAll();
      await publishOne(store, 'user:7');
      await redis.publish('user:7', 'later still');
      await recordAll();
      expect(await granted('room:2')).to.deep.equal(first);
    });

    it('is unsettled where nothing has shown it but the look itself, and counts from the plain one', async () => {
      const before = await publishOne(store, 'room:2', 'before');
      await grantPlain('room:2');
      expect(await rights()).to.equal('unsettled');
      await recordAll();
      const [plain] = await kept(store, 'user:7');
      await redis.publish('room:9', 'behind it');
      await recorder.hears(1);
      expect(await granted('room:2')).to.deep.equal({ at: plain!.id, after: before.id, by: plain!.id });
    });

    it('is unsettled until what was published before it is recorded, and no longer, however much follows', async () => {
      await redis.publish('room:9', 'before');
      await recorder.hears(1);
      await redis.sadd(LIST, 'room:2');
      expect(await rights()).to.equal('unsettled');
      await recordAll();
      await redis.publish('room:9', 'behind it');
      await redis.publish('room:9', 'behind it, too');
      await recorder.hears(2);
      // How far it has come is known by the place of what is recorded next.
      expect(await rights()).to.equal('unsettled');
      await recorder.record(recorder.heard.slice(0, 1));
      expect((await granted('room:2')).after).to.equal(undefined);
    });

    it('is unsettled again where it changes again, also where nobody has looked between', async () => {
      await grantPlain('room:2');
      expect(await rights()).to.equal('unsettled');
      await recordAll();
      for (const text of ['behind', 'behind that']) {
        await redis.publish('room:9', text);
        await recordAll();
      }
      await grantPlain('room:3');
      expect(await rights()).to.equal('unsettled');
      await recordAll();
      expect((await granted('room:3')).after).to.be.above((await granted('room:2')).at);
      await grantPlain('room:4');
      expect(await rights()).to.equal('unsettled');
    });

    it('is taken as it is by who waits no longer', async () => {
      await grantPlain('room:2');
      expect(await rights()).to.equal('unsettled');
      expect([...((await rights('settle')) as Map<string, Granted>).keys()].sort()).to.deep.equal(['room:1', 'room:2']);
    });

    it('is not unsettled, nor moved by what is recorded later, where it was made and told in one step', async () => {
      await redis.publish('user:7', 'before');
      await recorder.hears(1);
      const { id } = await store.backlog.grant('7', 'room:3');
      const atomic = { at: id, after: undefined, by: undefined };
      expect(await granted('room:3')).to.deep.equal(atomic);
      await recordAll();
      expect(await granted('room:3')).to.deep.equal(atomic);
      await redis.publish('user:7', 'later');
      await recordAll();
      expect(await granted('room:3')).to.deep.equal(atomic);
    });

    it('is not unsettled where every plain one is recorded', async () => {
      await redis.publish('room:9', 'recorded');
      await recordAll();
      await redis.sadd(LIST, 'room:2');
      const { id } = await publishOne(store, 'user:7', 'shows the change');
      expect(await granted('room:2')).to.deep.equal({ at: id, after: undefined, by: undefined });
      await redis.sadd(LIST, 'room:3');
      expect((await granted('room:3')).at).to.be.at.least(id);
    });

    it('is not unsettled where nobody has recorded for a minute', async () => {
      await grantPlain('room:2');
      const now = Number(await redis.hget('sisyphus:{0}:clock', 'last'));
      for (const expires of [now, -now, now - 59e6, 59e6 - now]) {
        await redis.hset(LEASE, 'expires', expires);
        expect(await rights(), `run out at ${expires}`).to.equal('unsettled');
      }
      for (const expires of [now - 61e6, 61e6 - now]) {
        await redis.hset(LEASE, 'expires', expires);
        expect(await rights(), `run out at ${expires}`).to.be.a('map');
        await redis.srem(LIST, 'room:2');
        await rights('settle');
        await redis.sadd(LIST, 'room:2');
      }
    });
  });
}
