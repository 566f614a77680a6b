import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { Ear } from '../contract/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const CLOCK = 'sisyphus:{0}:clock';
const GATEWAYS = 'sisyphus:{0}:gateways';
const SETTINGS = 'sisyphus:{0}:settings';
/** For so long (ms) what a gateway has said counts. */
const COUNTS = 400;

describe('the settings of the store in Redis', () => {
  let server: RedisServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = server.client();
    await loadFunctions(client, new Keys(undefined, 0));
  });
  beforeEach(() => client.flushall());
  after(() => server.stop());

  interface Counting {
    version: number;
    length: string;
    asked: string;
  }

  /** A gateway says that it keeps so many messages, and has these plain channels recorded. */
  async function say(gateway: string, length: number, patterns = '*:*', ms = COUNTS): Promise<Counting> {
    const kept = [length, 1000, '', 1000, 0, ''];
    const answer = await client.fcall('sisyphus_configure', 0, ...kept, patterns, gateway, ms);
    const [version, counting, , , , asked] = answer as string[];
    return { version: Number(version), length: counting!, asked: asked! };
  }

  const leave = (gateway: string) => client.fcall('sisyphus_leave', 0, gateway, COUNTS);
  const counting = () => client.hget(CLOCK, 'length');

  it('are those that came up last, whoever says theirs again', async () => {
    const first = await say('a', 1);
    expect(await say('a', 1)).to.deep.equal(first);
    expect(await say('b', 1)).to.deep.equal(first);
    const second = await say('c', 2);
    expect(second.length).to.equal('2');
    expect(second.version).to.be.above(first.version);
    expect(await say('a', 1)).to.deep.equal(second);
    // Started again, with the settings of the deploy before.
    expect(await say('a, again', 1)).to.deep.equal(second);
    expect((await say('d', 3)).length).to.equal('3');
  });

  it('are those of the deploy before where every gateway of the latest has gone', async () => {
    await say('a', 1);
    await say('b', 2);
    await say('c', 2);
    await leave('b');
    expect(await counting()).to.equal('2');
    await leave('c');
    expect(await counting()).to.equal('1');
    await leave('a');
    expect(await counting(), 'the last one leaves them').to.equal('1');
    expect((await say('d', 2)).length, 'nobody lives that was configured otherwise').to.equal('2');
  });

  it('are not those of a gateway that has said nothing for so long, as long as others have', async () => {
    await say('a', 1);
    await say('b', 2);
    await eventually(async () => {
      await pause(COUNTS / 4);
      return (await say('a', 1)).length === '1';
    });
    expect(await client.hlen(GATEWAYS)).to.equal(1);
  });

  it('stay where nobody has said anything for a while: they may all have been away', async () => {
    await say('a', 1, 'room:*');
    await say('b', 2, 'folder:*');
    await pause(COUNTS + 50);
    const now = await say('a', 1, 'room:*');
    expect([now.length, now.asked]).to.deep.equal(['2', 'folder:* room:*']);
    expect(await client.hlen(GATEWAYS)).to.equal(2);
    // Set back, Redis's clock would keep the dead alive.
    const dead = JSON.parse((await client.hget(GATEWAYS, 'b'))!);
    await client.hset(GATEWAYS, 'b', JSON.stringify({ ...dead, till: dead.till + 1e9 }));
    await eventually(async () => {
      await pause(COUNTS / 4);
      return (await say('a', 1, 'room:*')).length === '1';
    });
  });

  it('have every plain channel recorded that a gateway asks for, and say so', async () => {
    const hearing = server.client();
    const said: string[] = [];
    hearing.on('message', (_, text: string) => said.push(text));
    await hearing.subscribe('sisyphus{0}/@patterns');
    const first = await say('a', 1, 'user:* room:*');
    const second = await say('b', 1, 'room:* folder:*');
    expect(second.asked).to.equal('folder:* room:* user:*');
    expect(second.version).to.be.above(first.version);
    expect(await say('b', 1, 'folder:* room:*')).to.deep.equal(second);
    await leave('a');
    expect((await say('b', 1, 'room:* folder:*')).asked).to.equal('folder:* room:*');
    await leave('b');
    expect((await say('c', 1, '')).asked, 'none').to.equal('');
    await eventually(() => said.length === 4);
    expect(said).to.deep.equal(['room:* user:*', 'folder:* room:* user:*', 'folder:* room:*', '']);
    hearing.disconnect();
  });

  it('are kept where keys are of another type, or hold something else', async () => {
    await say('a', 1);
    await client.del(GATEWAYS, SETTINGS);
    await client.set(GATEWAYS, 'not ours');
    await client.set(SETTINGS, 'not ours');
    expect((await say('b', 2)).length).to.equal('2');
    for (const other of [
      'not ours',
      '{}',
      '5',
      '{"till":9e18}',
      '{"till":9e18,"number":"1","length":1,"patterns":{}}',
    ]) {
      await client.hset(GATEWAYS, 'c', other);
      await client.hset(SETTINGS, 'other', 'not ours');
      expect((await say('b', 2)).length).to.equal('2');
      expect(await client.hlen(GATEWAYS)).to.equal(1);
    }
  });

  it('are looked at by a gateway as soon as a mark tells that they have changed', async () => {
    const logger = createLogger('silent');
    const stores = [5, 7].map((length) => {
      const backlog = { length, ttl: 1000, rules: [] };
      return new RedisStore({ url: server.url, logger, backlog, maxMessage: 1000, rawChannels: [] });
    });
    for (const store of stores) store.start();
    const [early, late] = stores as [RedisStore, RedisStore];
    const ear = await Ear.at(early);
    await eventually(() => stores.every(({ settings }) => settings.version > 0));
    await say('later still', 9, '');
    expect([early.settings.current.backlog.length, late.settings.current.backlog.length]).to.not.include(9);
    await ear.mark();
    await new Stopwatch(() => ({ redis: server.pid })).within(500, () => early.settings.current.backlog.length === 9);
    expect(early.settings.differences).to.deep.equal([
      { variable: 'SISYPHUS_BACKLOG_LENGTH', here: '5', installation: '9' },
    ]);
    await Promise.all(stores.map((store) => store.close()));
    expect(await client.hkeys(GATEWAYS), 'who is stopped says so').to.deep.equal(['later still']);
  });

  it('are remembered, as many as that', async () => {
    for (let i = 1; i <= 20; i++) await say('a', i);
    expect(await client.hlen(SETTINGS)).to.equal(16);
    expect((await say('b', 19)).length).to.equal('20');
    expect((await say('b', 1)).length, 'forgotten').to.equal('1');
  });
});
