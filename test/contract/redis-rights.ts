import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { BEGINNING } from '../../src/message/position.ts';
import type { RightsChange } from '../../src/message/rights-change.ts';
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

/** `+room:1 -room:2`; `undefined` if it is not told. */
function told(rights: RightsChange | undefined): string | undefined {
  return rights?.changes?.map(({ kind, channel }) => `${kind === 'granted' ? '+' : '-'}${channel}`).join(' ');
}

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
        expect(ear.messages.map(({ rights }) => told(rights))).to.deep.equal(['+room:3', '', '-room:1']);
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
        expect(told(ear.messages[0]!.rights)).to.equal('+room:2 -room:1');
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

    it('that changed without a message is told by a note when it is read again, and counts from then', async () => {
      await redis.sadd(LIST, 'room:1');
      const { version } = await rightsOf(store, '7');
      const ear = await Ear.at(store, 'user:7');
      const before = await publishOne(store, 'room:2');
      await redis.sadd(LIST, 'room:2');
      const [rights] = await store.backlog.rights([{ user: '7', known: version }]);
      expect([...rights!.channels.keys()].sort()).to.deep.equal(['room:1', 'room:2']);
      expect(rights!.channels.get('room:1')).to.equal(BEGINNING);
      const id = rights!.channels.get('room:2')!;
      expect(id).to.be.above(before.id);
      const changes = [{ channel: 'room:2', kind: 'granted', place: { id, number: 0 } }];
      expect(rights!.changes).to.deep.equal(changes);
      await ear.mark();
      const notes = ear.heard.flatMap((event) =>
        typeof event === 'object' && 'changed' in event ? [event.changed] : [],
      );
      expect(notes).to.deep.equal([{ before: version, now: id, changes }]);
      expect((await publishOne(store, 'room:2')).id).to.be.above(id);
    });

    it('that changed without a message is told with the next one, before what that one changes', async () => {
      await redis.sadd(LIST, 'room:1');
      const ear = await Ear.at(store, 'user:7');
      const { version } = await rightsOf(store, '7');
      await redis.sadd(LIST, 'room:2');
      await redis.srem(LIST, 'room:1');
      await store.backlog.grant('7', 'room:3');
      await ear.mark();
      expect(ear.messages[0]!.rights!.before).to.equal(version);
      expect(told(ear.messages[0]!.rights)).to.equal('+room:2 -room:1 +room:3');
      expect([...(await rightsOf(store, '7')).channels.keys()].sort()).to.deep.equal(['room:2', 'room:3']);
    });

    it('is read anew where somebody has damaged what was known of it', async () => {
      const [known, log] = ['sisyphus:{0}:user:7:rights', 'sisyphus:{0}:user:7:changes'];
      const damages: (() => Promise<unknown>)[] = [
        () => redis.del(known),
        () => redis.del(log),
        () => redis.set(known, 'x'),
        () => redis.set(log, 'x'),
        () => redis.zrem(known, 'room:1'),
        () => redis.zrem(log, '@'),
      ];
      await redis.sadd(LIST, 'room:1', 'room:2');
      const ear = await Ear.at(store, 'user:7');
      for (const [i, damage] of damages.entries()) {
        await rightsOf(store, '7');
        await damage();
        await publishOne(store, 'user:7', 'behind it');
        await ear.mark();
        expect(ear.messages.at(-1)!.rights!.changes, `damage ${i}`).to.equal(undefined);
        const { channels } = await rightsOf(store, '7');
        expect(Object.fromEntries(channels), `damage ${i}`).to.deep.equal({ 'room:1': 0, 'room:2': 0 });
      }
    });

    it('is read, not told, where too much has changed', async () => {
      await redis.sadd(LIST, 'room:1');
      const ear = await Ear.at(store, 'user:7');
      await rightsOf(store, '7');
      await redis.sadd(LIST, ...Array.from({ length: 1000 }, (_, i) => `room:${i}`));
      await store.backlog.publish([say('user:7')]);
      await ear.mark();
      expect(ear.messages[0]!.rights!.changes).to.equal(undefined);
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
      expect(ear.messages.map(({ rights }) => told(rights))).to.deep.equal([undefined, undefined, '-room:1']);
    });
  });
}
