import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RedisCollections } from '../../src/store/redis/redis-collections.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { DEFAULTS } from '../contract/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';
const CHANNEL = `${KEY}:channel:collection:drivers`;

describe('collections in Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  let store: RedisStore;
  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());
  beforeEach(async () => {
    await redis.flushall();
    store = await openStore();
  });
  afterEach(() => store.close());

  async function openStore(settings: Partial<typeof DEFAULTS> = {}): Promise<RedisStore> {
    const options = { ...DEFAULTS, ...settings, url: server.url, logger: createLogger('silent'), rawChannels: [] };
    const opened = new RedisStore(options);
    opened.start();
    await eventually(() => opened.isSettled);
    return opened;
  }

  const fcall = (name: string, ...args: string[]): Promise<unknown> =>
    redis.call('FCALL', `sisyphus_${name}`, '1', KEY, ...args) as Promise<unknown>;
  const errorOf = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => '',
      ({ message }: Error) => message,
    );
  const put = (...names: string[]): Promise<unknown> =>
    fcall('put', 'drivers', JSON.stringify(names.map((name) => ({ driver_name: name }))));
  const epoch = async (): Promise<string> => (await store.collections.read('drivers')).epoch;
  const names = async (): Promise<string[]> => {
    const { records } = await store.collections.read('drivers');
    return records.map((text) => (JSON.parse(text) as { driver_name: string }).driver_name);
  };
  const last = async () => {
    const [[, [, envelope]]] = (await redis.xrevrange(`${CHANNEL}:msg_backlog`, '+', '-', 'COUNT', 1)) as [
      [string, [string, string]],
    ];
    return JSON.parse(envelope.split('\n')[1]!) as { revision: number; epoch: string };
  };

  it('are put and patched by functions, which answer the id and the revision', async () => {
    const [id, revision] = (await put('a', 'b')) as [string, number];
    expect(id).to.match(/^\d{16}$/);
    expect(revision).to.equal(1);
    expect(await put('a', 'b')).to.deep.equal([id, 1]);
    const batch = '[{"type":"delete","data":{"driver_name":"a"}}]';
    expect(await fcall('patch', 'drivers', batch)).to.have.property('1', 2);
    expect(await names()).to.deep.equal(['b']);
    expect(await errorOf(fcall('put', 'drivers'))).to.match(
      /^BADREQUEST expected FCALL sisyphus_put 1 sisyphus:\{0\} </,
    );
    expect(await errorOf(fcall('patch', 'nobody', '[]'))).to.match(
      /^NOCOLLECTION .*expected one in SISYPHUS_COLLECTIONS/,
    );
    expect(await errorOf(fcall('put', 'drivers', '[{}]'))).to.match(
      /^BADREQUEST record \[0\] has no driver_name .*: expected \[/,
    );
  });

  it('keep their epoch while their revisions go on, and know the same one before and after the first change', async () => {
    const before = await epoch();
    await put('a');
    await put('b');
    expect([await epoch(), (await last()).epoch]).to.deep.equal([before, before]);
  });

  it('have another epoch in a store that was emptied, and are put at once', async () => {
    await put('a', 'b');
    await put('a');
    const before = await epoch();
    const cleared = (await redis.multi().flushall().call('FCALL', 'sisyphus_put', '1', KEY, 'drivers', '[]').exec())!;
    expect(cleared.at(-1)).to.have.nested.property('[1][1]', 0);
    expect(await put('c')).to.have.property('1', 1);
    expect((await last()).epoch).not.to.equal(before);
    expect(Number((await last()).epoch)).to.be.above(Number(before));
    expect(await epoch()).to.equal((await last()).epoch);
  });

  for (const [what, lose] of [
    ['the revision is lost', () => redis.del(`${CHANNEL}:msg_id`)],
    ['the revision goes back', () => redis.set(`${CHANNEL}:msg_id`, 1)],
    [
      'the whole channel is lost',
      () => redis.del(...['id', 'last', 'backlog'].map((part) => `${CHANNEL}:msg_${part}`)),
    ],
    [
      'the records and their state are lost',
      () => redis.del(...['records', 'state'].map((part) => `${KEY}:collection:drivers:${part}`)),
    ],
    ['another server has taken over', () => redis.hset(`${KEY}:clock`, 'replid', 'f'.repeat(40), 'run', 'other')],
  ] as [string, () => Promise<unknown>][]) {
    it(`have another epoch if ${what}`, async () => {
      for (const name of ['a', 'b', 'c']) await put(name);
      const before = await epoch();
      await lose();
      await put('d');
      const { epoch: told } = await last();
      expect(Number(told)).to.be.above(Number(before));
      expect(await epoch()).to.equal(told);
      await put('e');
      expect((await last()).epoch).to.equal(told);
    });
  }

  it('have another epoch if their primary key is another, and take a whole list first', async () => {
    await put('a', 'b');
    const before = await epoch();
    const [drivers, users] = DEFAULTS.collections;
    const next = await openStore({ collections: [{ ...drivers!, key: 'id' }, users!] });
    const update = '[{"type":"update","data":{"id":"a"}}]';
    expect(await errorOf(fcall('patch', 'drivers', update))).to.match(/^BADREQUEST .*expected a whole list first$/);
    await fcall('put', 'drivers', '[{"id":"a","driver_name":"b"}]');
    expect(Number(await epoch())).to.be.above(Number(before));
    const { records, key } = await next.collections.read('drivers');
    expect({ records, key }).to.deep.equal({ records: ['{"id":"a","driver_name":"b"}'], key: 'id' });
    await fcall('patch', 'drivers', update);
    await next.close();
  });

  it('are compared with a large list by the gateway, and end as the list says, whoever else writes', async () => {
    const list = (lap: number) =>
      JSON.stringify(
        Array.from({ length: 3000 }, (_, i) => ({ driver_name: `${i}`, lap: i < 2990 ? 0 : lap, x: 'x'.repeat(80) })),
      );
    const { collections } = store;
    const first = await collections.put('drivers', list(0));
    expect(first).to.include({ revision: 1, created: 3000 });
    expect(await collections.put('drivers', list(0).replaceAll('":', '": '))).to.include({
      revision: 1,
      created: 0,
      updated: 0,
    });
    expect(await collections.put('drivers', list(1))).to.include({
      revision: 2,
      created: 0,
      updated: 10,
      destroyed: 0,
    });
    const racing = new RedisCollections({ commands: redis, replays: redis, keys: new Keys(undefined, 0) });
    const read = racing.read.bind(racing);
    let looks = 0;
    racing.read = async (name) => {
      const snapshot = await read(name);
      // Somebody else is faster each time.
      const other = { type: 'update', data: { driver_name: `other ${looks++}` } };
      await fcall('patch', 'drivers', JSON.stringify([other]));
      return snapshot;
    };
    expect(await racing.put('drivers', list(2))).to.include({ revision: 6, created: 0, updated: 10, destroyed: 3 });
    expect(looks).to.equal(3);
    const { records } = await collections.read('drivers');
    expect(`[${records.join(',')}]`).to.equal(list(2));
    const once = { key: 'large', fingerprint: 'f' };
    const answer = await collections.put('drivers', list(3), once);
    await put('a');
    expect(await collections.put('drivers', list(3), once)).to.deep.equal(answer);
    expect(await names()).to.deep.equal(['a']);
    const tooLarge = `[{"driver_name":"a","x":"${'x'.repeat(270_000)}"}]`;
    expect(await errorOf(collections.put('drivers', tooLarge))).to.match(/270\d+ bytes/);
  });

  it('take no text of more than 256 of the largest messages', async () => {
    await store.close();
    store = await openStore({ maxMessage: 1000 });
    const list = (bytes: number): string => `[${' '.repeat(bytes - 2)}]`;
    expect(await fcall('put', 'drivers', list(256_000))).to.have.property('1', 0);
    expect(await errorOf(fcall('put', 'drivers', list(256_001)))).to.equal(
      'TOOLARGE 256001 bytes; a list or a batch may have 256000',
    );
  });

  it('have an epoch as soon as they are read in a store that was emptied', async () => {
    await store.close();
    await redis.flushall();
    const keys = new Keys(undefined, 0);
    const collections = new RedisCollections({ commands: redis, replays: redis, keys });
    const before = await collections.read('drivers');
    expect(before).to.include({ revision: 0, key: 'driver_name' });
    await put('a');
    expect((await last()).epoch).to.equal(before.epoch);
    store = await openStore();
  });

  it('do not forget their revision, however old it is', async () => {
    await put('a');
    for (const part of ['id', 'last']) expect(await redis.ttl(`${CHANNEL}:msg_${part}`)).to.equal(-1);
    await fcall('publish', 'room:1', 'x');
    expect(await redis.ttl(`${KEY}:channel:room:1:msg_id`)).to.be.above(0);
  });

  it('give records an end that were there before the collection had a ttl', async () => {
    await fcall('put', 'users', '[{"login":"a"}]');
    await redis.del(`${KEY}:collection:users:expires`);
    expect(await store.collections.expire('users')).to.equal(0);
    await eventually(async () => (await store.collections.expire('users')) === 1);
  });

  for (const part of ['records', 'state', 'expires']) {
    it(`stop if the key of their ${part} is of another type, and nobody else does`, async () => {
      await fcall('put', 'users', '[{"login":"a"}]');
      const key = `${KEY}:collection:users:${part}`;
      await redis.del(key);
      await redis.set(key, 'x');
      expect(await errorOf(fcall('put', 'users', '[]'))).to.match(
        new RegExp(`^WRONGTYPE .*:${part} is a string; expected a`),
      );
      expect(await put('a')).to.have.property('1', 1);
    });
  }

  it('have 100,000 records at most, and all of them are read', async function () {
    this.timeout(60_000);
    const list = Array.from({ length: 100_000 }, (_, i) => ({
      driver_name: `${i}`,
      text: i % 1000 === 0 ? '}{"' : '',
    }));
    expect(await fcall('put', 'drivers', JSON.stringify(list))).to.have.property('1', 1);
    expect(await fcall('put', 'drivers', JSON.stringify(list))).to.have.property('1', 1);
    const more = await errorOf(fcall('patch', 'drivers', '[{"type":"update","data":{"driver_name":"x"}}]'));
    expect(more).to.equal('TOOLARGE 100001 records; a collection may have 100000');
    expect(await names()).to.deep.equal(list.map(({ driver_name: name }) => name));
  });
});
