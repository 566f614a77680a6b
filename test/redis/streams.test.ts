import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Fleet } from '../../src/backlog/fleet-limit.ts';
import { createLogger } from '../../src/logger.ts';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RedisFleetLimit } from '../../src/store/redis/redis-fleet-limit.ts';
import { Random } from '../fault/random.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { StreamsModel } from '../support/streams-model.ts';
import { eventually } from '../support/wait.ts';

const LIST = 'sisyphus:{0}:streams';
const LIMIT = '3';
/** For how long the keys of a gateway are kept, and its lease, which begins with them (ms). */
const KEPT = 3_600_000;
const LEASE = 5000;
const logger = createLogger('silent');

describe('the count of streams in Redis', () => {
  let server: RedisServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = server.client();
    await loadFunctions(client, new Keys(undefined, 0));
  });
  beforeEach(() => client.flushall());
  after(() => server.stop());

  const call = (...args: string[]) => client.fcall('sisyphus_streams', 0, ...args) as Promise<unknown[]>;
  const begin = (gateway: string, text = '') => call(gateway, '1', 'begin', LIMIT, text);
  const keep = (gateway: string, text = '') => call(gateway, '1', 'keep', LIMIT, text);

  async function contents(): Promise<Record<string, Record<string, string>>> {
    const names = (await client.hkeys(LIST)).sort();
    const hashes = await Promise.all(names.map((name) => client.hgetall(`${LIST}:${name}`)));
    return Object.fromEntries(names.map((name, i) => [name, hashes[i]!]));
  }

  it('answers how many streams the gateways have that say so, behind what it answers to those of the version before', async () => {
    await begin('before', 'u 5 0');
    expect(await call('a', '1', 'begin', LIMIT, '', '30')).to.deep.equal([2, 0, 'fleet', 1, 30, 30]);
    expect(await call('b', '1', 'begin', LIMIT, '', '10')).to.deep.equal([3, 0, 'fleet', 2, 40, 10]);
    expect(await call('a', '1', 'keep', LIMIT, 'u 0 1', '50')).to.deep.equal([3, 0, 1, 0, 'fleet', 2, 60, 10]);
    // One that is being stopped, and one that is dead.
    expect(await call('b', '1', 'keep', LIMIT, '', '-')).to.deep.equal([3, 0]);
    expect(await call('a', '1', 'keep', LIMIT, '', '50')).to.deep.equal([3, 0, 'fleet', 1, 50, 50]);
    expect(await call('b', '1', 'keep', LIMIT, '', '0')).to.deep.equal([3, 0, 'fleet', 2, 50, 0]);
    await client.pexpire(`${LIST}:b`, KEPT - LEASE);
    expect(await call('a', '1', 'keep', LIMIT, '', '50')).to.deep.equal([2, 0, 'fleet', 1, 50, 50]);
  });

  it('counts all workers of a gateway as one, and a process of the version before as a gateway', async () => {
    await call('before', '1', 'begin', LIMIT, '', '70');
    const fleets: (Fleet | undefined)[] = [];
    const processes = ['one', 'one', 'other', undefined].map((gateway, i) => {
      const redis = server.client();
      const limit = new RedisFleetLimit({ redis, keys: new Keys(undefined, 0), limit: 3, logger, gateway });
      const onFleet = (fleet: Fleet): void => {
        fleets[i] = fleet;
      };
      limit.follow({
        total: () => [100, 50, 0, 30][i],
        onFleet,
        users: () => [],
        streamsOf: () => 0,
        search: () => undefined,
      });
      return limit;
    });
    const beat = setInterval(() => {
      for (const one of processes) one.beat();
    }, 100);
    try {
      const all = { gateways: 4, streams: 250, least: 0 };
      await eventually(() => {
        expect(fleets).to.deep.equal([150, 150, 0, 30].map((own) => ({ ...all, own })));
        return true;
      });
    } finally {
      clearInterval(beat);
      await Promise.all(processes.map((one) => one.close()));
    }
  });

  it('admits what there is room for, over all gateways', async () => {
    await begin('a', 'u 2 0 v 1 0');
    expect(await begin('b', 'u 0 1 v 0 1')).to.deep.equal([2, 0]);
    expect(await keep('b', 'u 1 1 v 1 3 w 0 4')).to.deep.equal([2, 0, 1, 0, 2, 1, 3, 3]);
    expect(await contents()).to.deep.equal({
      a: { ':': '1', ':missed': '1', u: '2', v: '1' },
      b: { ':': '1', u: '1', v: '2', w: '3' },
    });
  });

  it('answers and stores the same as its model, whatever is called', async () => {
    const random = new Random(7);
    const model = new StreamsModel();
    for (let step = 0; step < 1500; step++) {
      const gateway = random.pick(['a', 'b', 'c']);
      const users = ['u', 'v', 'w'].filter(() => random.chance(0.5));
      const text = users.map((user) => `${user} ${random.integer(0, 2)} ${random.integer(0, 2)}`).join(' ');
      const verb = random.pick(['begin', 'keep', 'keep', 'keep', 'keep', 'leave']);
      const args = [gateway, random.pick(['1', '1', '1', '2']), verb, LIMIT, text];
      expect(await call(...args), `step ${step}: ${args}`).to.deep.equal(model.call(args));
      if (step % 10 === 0) expect(await contents(), `step ${step}`).to.deep.equal(model.contents);
    }
  });

  it('tells a gateway once that a stream of one of its users was refused elsewhere', async () => {
    await begin('a', 'u 3 0');
    await begin('b', 'v 3 0');
    await begin('c', 'u 0 1 w 0 3');
    expect([await keep('a'), await keep('b'), await keep('c')]).to.deep.equal([
      [3, 1],
      [3, 0],
      [3, 0],
    ]);
    expect(await keep('a')).to.deep.equal([3, 0]);
  });

  it('forgets a gateway that has not called for 5 s, and deletes what it said', async () => {
    await begin('a', 'u 3 0');
    await begin('b');
    for (const key of [LIST, `${LIST}:a`, `${LIST}:b`]) {
      expect(await client.pttl(key)).to.be.within(KEPT - 1000, KEPT);
    }
    await client.pexpire(`${LIST}:a`, KEPT - LEASE + 30);
    expect(await keep('b', 'u 0 1')).to.deep.equal([2, 0, 1, 0]);
    await pause(40);
    expect(await keep('b', 'u 0 1')).to.deep.equal([1, 0]);
    expect((await client.keys(`${LIST}*`)).sort()).to.deep.equal([LIST, `${LIST}:b`]);
    expect(await keep('a', 'u 3 0')).to.deep.equal(['lost']);
  });

  it('does not count a lease that is longer than any, because the clock was set back', async () => {
    await begin('a', 'u 3 0');
    await client.pexpire(`${LIST}:a`, KEPT + 60_000);
    expect(await begin('b', 'u 0 1')).to.deep.equal([1, 0]);
    expect(await keep('a', 'u 3 0')).to.deep.equal(['lost']);
    await begin('a', 'u 3 0');
    expect(await keep('b', 'u 1 1')).to.deep.equal([2, 0, 1, 0]);
  });

  it('mends keys of another type', async () => {
    await begin('a', 'u 3 0');
    await begin('b', 'u 0 0');
    await client.set(`${LIST}:a`, 'broken', 'PX', KEPT);
    expect(await keep('b', 'u 0 1')).to.deep.equal([2, 0]);
    expect(await keep('a', 'u 3 0')).to.deep.equal(['lost']);
    expect(await begin('a', 'u 3 0')).to.deep.equal([2, 0]);
    await client.set(LIST, 'broken');
    expect(await keep('b', 'u 1 1')).to.deep.equal([1, 0]);
    expect(await keep('a')).to.deep.equal([2, 0]);
    expect(await keep('b', 'u 2 1')).to.deep.equal([2, 0, 1, 0]);
  });
});
