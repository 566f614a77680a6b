import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { BEGINNING } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { refusal } from './publishing.ts';
import { rightsOf } from './rights.ts';
import { DEFAULTS, Ear, publishOne, type Settings, say, texts } from './store.ts';

const LIST = 'user:7:channels';
const FILL: Record<string, (redis: Redis, names: string[]) => Promise<unknown>> = {
  set: (redis, names) => redis.sadd(LIST, ...names),
  list: (redis, names) => redis.rpush(LIST, ...names, ...names),
  'sorted set': (redis, names) => redis.zadd(LIST, ...names.flatMap((name, i) => [i, name])),
};

/** What only Redis has: lists that the application writes by itself, as it likes. */
export function redisRightsContract(openStore: (settings: Settings) => Promise<Store>, client: () => Redis): void {
  describe('a list of channels in Redis', () => {
    let store: Store;
    let redis: Redis;
    beforeEach(async () => {
      store = await openStore(DEFAULTS);
      redis = client();
    });
    afterEach(async () => {
      redis.disconnect();
      await store.close();
    });

    for (const [kind, fill] of Object.entries(FILL)) {
      it(`may be a ${kind}`, async () => {
        await fill(redis, ['room:1', 'room:2']);
        const { channels, problem } = await rightsOf(store, '7');
        expect(Object.fromEntries(channels)).to.deep.equal({ 'room:1': BEGINNING, 'room:2': BEGINNING });
        expect(problem).to.equal(undefined);
      });

      it(`stays a ${kind} when it is changed`, async () => {
        await fill(redis, ['room:1', 'room:2']);
        const type = await redis.type(LIST);
        const ear = await Ear.at(store, 'user:7');
        const { version } = await rightsOf(store, '7');
        const granted = await store.backlog.grant('7', 'room:3');
        await store.backlog.grant('7', 'room:3');
        await store.backlog.revoke('7', 'room:1');
        expect(await redis.type(LIST)).to.equal(type);
        const { channels } = await rightsOf(store, '7');
        expect(Object.fromEntries(channels)).to.deep.equal({ 'room:2': BEGINNING, 'room:3': granted.id });
        await ear.mark();
        expect(ear.messages.map(({ rights }) => [rights?.added, rights?.removed])).to.deep.equal([
          [['room:3'], []],
          [[], []],
          [[], ['room:1']],
        ]);
        expect(ear.messages[0]!.rights!.before).to.equal(version);
      });

      it(`that is a ${kind} and was changed by the application counts from its message`, async () => {
        await fill(redis, ['room:1']);
        const ear = await Ear.at(store, 'user:7');
        await rightsOf(store, '7');
        await redis.del(LIST);
        await fill(redis, ['room:2']);
        const { id } = await publishOne(store, 'user:7', 'changed');
        await ear.mark();
        expect(ear.messages[0]!.rights!.added).to.deep.equal(['room:2']);
        expect(ear.messages[0]!.rights!.removed).to.deep.equal(['room:1']);
        const { channels, version } = await rightsOf(store, '7');
        expect(version).to.equal(ear.messages[0]!.rights!.now);
        expect(Object.fromEntries(channels)).to.deep.equal({ 'room:2': id });
      });
    }

    it('that has names which are no channels gives the others, and says which', async () => {
      await redis.sadd(LIST, 'room:1', 'no channel', 'sisyphus:x', 'user:a/b', '@version', '', '*', 'é');
      const { channels, problem } = await rightsOf(store, '7');
      expect([...channels.keys()]).to.deep.equal(['room:1']);
      expect(problem, 'a problem for the log').to.be.a('string');
    });

    it('of the wrong type is no list, and touches nobody else', async () => {
      await redis.set(LIST, 'room:1');
      await store.backlog.grant('8', 'room:8');
      const [seven, eight] = await store.backlog.rights([{ user: '7' }, { user: '8' }]);
      expect([...seven!.channels]).to.deep.equal([]);
      expect(seven!.problem).to.contain('string');
      expect([...eight!.channels.keys()]).to.deep.equal(['room:8']);
      expect(await refusal(store.backlog.grant('7', 'room:1'))).to.equal('redis_refused');
      expect(await redis.get(LIST)).to.equal('room:1');
    });

    it('that is deleted takes every right away', async () => {
      await redis.sadd(LIST, 'room:1');
      const { version } = await rightsOf(store, '7');
      await redis.del(LIST);
      const [rights] = await store.backlog.rights([{ user: '7', known: version }]);
      expect([...rights!.channels]).to.deep.equal([]);
    });

    it('that changed without a message is noticed when it is read again', async () => {
      await redis.sadd(LIST, 'room:1');
      const { version } = await rightsOf(store, '7');
      const { id } = await publishOne(store, 'room:2');
      await redis.sadd(LIST, 'room:2');
      const [rights] = await store.backlog.rights([{ user: '7', known: version }]);
      expect([...rights!.channels.keys()].sort()).to.deep.equal(['room:1', 'room:2']);
      expect(rights!.channels.get('room:1')).to.equal(BEGINNING);
      // Since the last look, so that nothing published after the change is missed.
      expect(rights!.channels.get('room:2')).to.be.below(id);
    });

    it('that changed without a message has to be read when the next one comes', async () => {
      await redis.sadd(LIST, 'room:1');
      const ear = await Ear.at(store, 'user:7');
      const { version } = await rightsOf(store, '7');
      await redis.sadd(LIST, 'room:2');
      await redis.srem(LIST, 'room:1');
      await store.backlog.grant('7', 'room:3');
      await ear.mark();
      expect(ear.messages[0]!.rights!.before).not.to.equal(version);
      expect([...(await rightsOf(store, '7')).channels.keys()].sort()).to.deep.equal(['room:2', 'room:3']);
    });

    it('is read, not told, where too much has changed', async () => {
      await redis.sadd(LIST, 'room:1');
      const ear = await Ear.at(store, 'user:7');
      await rightsOf(store, '7');
      await redis.sadd(LIST, ...Array.from({ length: 1000 }, (_, i) => `room:${i}`));
      await store.backlog.publish([say('user:7')]);
      await ear.mark();
      expect(ear.messages[0]!.rights!.added).to.equal(undefined);
      expect(ear.messages[0]!.rights!.now).to.be.above(ear.messages[0]!.rights!.before);
      expect((await rightsOf(store, '7')).channels.size).to.equal(1000);
    });

    it('is changed by FCALL from anywhere, like by the gateway', async () => {
      const ear = await Ear.at(store, 'user:7', 'room:1');
      await redis.fcall('sisyphus_grant', 0, '7', 'room:1');
      await redis.fcall('sisyphus_publish', 0, 'room:1', 'hi', 'moved');
      await redis.fcall('sisyphus_revoke', 0, '7', 'room:1', 'bye');
      await ear.mark();
      expect(texts(ear.messages)).to.deep.equal([
        '<message><grant><channel>room:1</channel></grant></message>',
        'hi',
        'bye',
      ]);
      expect(ear.messages[1]!.event).to.equal('moved');
      expect(ear.messages.map(({ rights }) => rights?.removed)).to.deep.equal([[], undefined, ['room:1']]);
    });
  });
}
