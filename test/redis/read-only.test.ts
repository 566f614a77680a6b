import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { openConnection } from '../../src/store/redis/connection.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { COMMANDS } from '../../src/store/redis/library.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import { probe } from '../../src/store/redis/probe.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { trialsOf } from '../../src/store/redis/trials.ts';
import { refusal } from '../contract/publishing.ts';
import { rightsOf } from '../contract/rights.ts';
import { DEFAULTS, Ear, publishOne, say } from '../contract/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const KEYS = new Keys(undefined, 0);

let server: RedisServer;
let redis: Redis;

before(async () => {
  server = await startRedis();
  redis = server.client();
});
beforeEach(() => redis.flushall());
after(() => server.stop());

describe('a Redis that takes no writes', () => {
  let store: RedisStore;

  beforeEach(async () => {
    const logger = createLogger('silent');
    store = new RedisStore({ url: server.url, logger, ...DEFAULTS, rawChannels: [] });
    store.start();
    await eventually(async () => (await redis.hget('sisyphus:{0}:clock', 'max')) !== null);
  });
  afterEach(async () => {
    await redis.config('SET', 'min-replicas-to-write', '0');
    await store.close();
  });

  const refuseWrites = (): Promise<unknown> => redis.config('SET', 'min-replicas-to-write', '1');

  it('answers the same mark as before, and the writing one again as soon as that is taken', async () => {
    await store.backlog.publish([say('room:1'), say('room:2')]);
    await redis.rpush('sisyphus:{0}:gaps', 'unrecorded 100 200');
    const ear = await Ear.at(store, 'room:1');
    const { now: _, ...before } = await ear.mark('room:1', 'room:2', 'room:3');
    await refuseWrites();
    const { now: __, ...during } = await ear.mark('room:1', 'room:2', 'room:3');
    expect(during).to.deep.equal(before);
    expect(store.troubles().map(({ stops }) => stops)).to.deep.equal(['publishing']);
    await redis.config('SET', 'min-replicas-to-write', '0');
    await eventually(async () => {
      await ear.mark();
      return store.troubles().length === 0;
    });
  });

  const FILL: Record<string, (names: string[]) => Promise<unknown>> = {
    set: (names) => redis.sadd('user:7:channels', ...names),
    list: (names) => redis.rpush('user:7:channels', ...names, ...names),
    'sorted set': (names) => redis.zadd('user:7:channels', ...names.flatMap((name, i) => [i, name])),
  };
  for (const [kind, fill] of Object.entries(FILL)) {
    it(`answers the list of a user, a ${kind}, as it would without`, async () => {
      await fill(['room:1', 'room:2', 'no channel']);
      // Never looked at: all of it counts as having always been there.
      await refuseWrites();
      const first = await rightsOf(store, '7');
      expect(Object.fromEntries(first.channels)).to.deep.equal({ 'room:1': BEGINNING, 'room:2': BEGINNING });
      expect(first.problem).to.contain('no channel');
      await redis.config('SET', 'min-replicas-to-write', '0');
      await store.backlog.grant('7', 'room:3');
      await eventually(() => rightsOf(store, '7').then(({ version }) => version !== first.version));
      const before = await rightsOf(store, '7');
      await refuseWrites();
      const during = await rightsOf(store, '7');
      expect(during.channels).to.deep.equal(before.channels);
      expect(during.version).to.equal(before.version);
      expect(await store.backlog.rights([{ user: '7', known: before.version }])).to.deep.equal([undefined]);
    });
  }

  it('answers what is on a list now, also where that is not what was known', async () => {
    await redis.sadd('user:7:channels', 'room:1', 'room:2');
    await rightsOf(store, '7');
    await redis.multi().srem('user:7:channels', 'room:1').sadd('user:7:channels', 'room:9').exec();
    await refuseWrites();
    const { channels, version } = await rightsOf(store, '7');
    expect([...channels.keys()]).to.have.members(['room:2', 'room:9']);
    expect((await store.backlog.rights([{ user: '7', known: version }]))[0]?.channels.has('room:1')).to.equal(false);
    await redis.config('SET', 'min-replicas-to-write', '0');
  });

  it('tells publishers the reason, and everybody when it is over', async () => {
    await refuseWrites();
    const word = await store.backlog.publish([say('room:1')]).catch((error: Error) => error.message);
    expect(word).to.contain('NOREPLICAS');
    expect(await refusal(store.backlog.grant('7', 'room:1'))).to.equal('redis_refused');
    expect(store.troubles()[0]!.reason).to.contain('NOREPLICAS').and.to.contain('expected');
    await redis.config('SET', 'min-replicas-to-write', '0');
    await publishOne(store, 'room:1');
    await eventually(() => store.troubles().length === 0);
  });
});

describe('what a gateway needs of Redis', () => {
  async function tried(rules: string[]): Promise<string[]> {
    await redis.call('ACL', 'SETUSER', 'gw', 'reset', 'on', '>pw', '~*', '&*', '+@all', ...rules);
    const connection = openConnection(server.url.replace('//', '//gw:pw@'), 'probe');
    try {
      await eventually(() => connection.status === 'ready');
      const { lasting, state } = await probe(connection, {
        user: 'gw',
        keys: KEYS,
        names: new PlainNames(['*:*'], ''),
      });
      return [...lasting, ...state].map(({ stops, reason }) => `${stops}: ${reason}`);
    } finally {
      connection.disconnect();
    }
  }

  it('can be tried: every command of the functions', () => {
    expect(COMMANDS.filter((command) => !trialsOf(KEYS)[command])).to.deep.equal([]);
  });

  it('is tried without any trace', async () => {
    const published = async (): Promise<string | undefined> =>
      /cmdstat_publish:calls=\d+/.exec(await redis.info('commandstats'))?.[0];
    const before = await published();
    expect(await tried([])).to.deep.equal([]);
    expect(await redis.keys('*')).to.deep.equal([]);
    expect(await published()).to.equal(before);
  });

  const DENIED: [string[], string][] = [
    [['-info'], 'publishing: Redis refuses INFO to user gw: expected +info in its ACL'],
    [['-@dangerous'], 'publishing: Redis refuses INFO to user gw: expected +info in its ACL'],
    [['-function'], 'publishing: Redis refuses FUNCTION LOAD to user gw: expected +function|load in its ACL'],
    [['-zdiff', '-mget'], 'readers: Redis refuses MGET, ZDIFF to user gw: expected +mget +zdiff in its ACL'],
    [['-fcall_ro'], 'readers: Redis refuses FCALL_RO to user gw: expected +fcall_ro in its ACL'],
    [
      ['resetkeys', '~sisyphus:*'],
      'readers: Redis refuses keys user:*:channels to user gw: expected ~user:*:channels in its ACL',
    ],
    [
      ['resetkeys', '~user:*'],
      'readers: Redis refuses keys sisyphus:{0}* to user gw: expected ~sisyphus:{0}* in its ACL',
    ],
    [
      ['resetchannels', '&sisyphus{0}/*'],
      'publishing: Redis refuses channels user:*, *:* to user gw: expected &user:* &*:* in its ACL',
    ],
  ];
  for (const [rules, expected] of DENIED) {
    it(`is named where the ACL has ${rules.join(' ')}`, async () => {
      expect((await tried(rules)).join('\n')).to.include(expected);
    });
  }
});
