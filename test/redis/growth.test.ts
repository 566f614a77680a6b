import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { knownFor } from '../../src/backlog/backlog.ts';
import { createLogger } from '../../src/logger.ts';
import type { Position } from '../../src/message/position.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { DEFAULTS, LATER, publishOne } from '../contract/store.ts';
import { readSlices } from '../support/read-slices.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';
const CLOCK = `${KEY}:clock`;
const COUNTERS = ['id', 'last'].map((name) => `${KEY}:channel:room:1:msg_${name}`);

describe('what Redis keeps of channels and users', function () {
  this.timeout(30_000);
  let server: RedisServer;
  let redis: Redis;
  let store: RedisStore;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());
  afterEach(() => store.close());

  async function open(ttl: number): Promise<void> {
    await redis.flushall();
    const backlog = { ...DEFAULTS.backlog, ttl };
    store = new RedisStore({ ...DEFAULTS, backlog, url: server.url, logger: createLogger('silent'), rawChannels: [] });
    store.start();
    await eventually(async () => (await redis.hget(CLOCK, 'ttl')) === String(ttl));
  }

  const configure = (ttl: number) => redis.fcall('sisyphus_configure', 1, KEY, 100, ttl, '', 262_144);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const gapOf = async (after: Position) =>
    (await readSlices(store.backlog, [{ channel: 'room:1', after, upTo: LATER }]))[0]!.gap;
  const now = async () => (await store.source.mark([])).now!;

  it('is bounded: of 100,000 that are used once, nothing is left that has no end, and little after a while', async () => {
    await open(100);
    await redis.config('SET', 'hz', '100');
    await redis.config('SET', 'active-expire-effort', '10');
    const memory = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    const [before, keys] = [await memory(), await redis.dbsize()];
    const CHANNELS = 90_000;
    const USERS = 10_000;
    const publish = async (count: number, ttl: number, channelOf: (i: number) => string): Promise<void> => {
      for (let at = 0; at < count; at += 500) {
        const messages = Array.from({ length: 500 }, (_, i) => [channelOf(at + i), '{"result":42}', '']).flat();
        // In one step, because the store says its own settings again every few seconds.
        const step = redis.multi().fcall('sisyphus_configure', 1, KEY, 100, ttl, '', 262_144);
        await step.fcall('sisyphus_publish_batch', 1, KEY, '', '', 1000, ...messages).exec();
      }
    };
    // Long enough to be there when they are counted.
    await publish(10_000, 300_000, (i) => `reply:0b0f5f5e-6c7c-4f3b-9a3c-${i}`);
    const each = ((await memory()) - before) / 10_000;
    expect(each, 'bytes of a channel, backlog and counters').to.be.below(1200);
    await publish(CHANNELS - 10_000, 100, (i) => `reply:0b0f5f5e-6c7c-4f3b-9a3c-${10_000 + i}`);
    await publish(USERS, 100, (i) => `user:${i}`);
    const left = async () => (await redis.dbsize()) - keys;
    // What was published while the backlog was kept for longer stays for longer; known rights are kept for a week.
    await eventually(async () => (await left()) <= 3 * 10_000 + USERS, 8000);
    const some = await redis.keys(`${KEY}:user:1*:rights`);
    for (const key of some.slice(0, 20)) expect(await redis.pttl(key), key).to.be.above(0);
    expect(await redis.keys(`${KEY}:channel:*`)).to.have.length(3 * 10_000);
  });

  it('outlives the last message by a good while, however messages come, and is put off rarely', async () => {
    await open(400);
    await redis.config('RESETSTAT');
    for (let i = 0; i < 30; i++) {
      const began = performance.now();
      await publishOne(store, 'room:1');
      for (const key of COUNTERS) {
        const left = await redis.pttl(key);
        // Less by what has gone by since, which is 50 ms at most unless the machine is busy.
        const passed = Math.max(50, performance.now() - began);
        expect(left).to.be.within(knownFor(400) - passed, knownFor(400) * 1.2);
      }
      await pause(40);
    }
    const [, renewals] = /cmdstat_pexpire:calls=(\d+)/.exec(await redis.info('commandstats'))!;
    expect(Number(renewals)).to.be.below(60);
  });

  it('tells whoever was away since before that something may be gone, and nobody else', async () => {
    await open(100);
    const away = await now();
    const { id } = await publishOne(store, 'room:1');
    await eventually(async () => (await redis.exists(...COUNTERS)) === 0);
    const known = knownFor(100);
    await pause(Math.max(0, known - ((await now()) - away) / 1000));
    expect(await gapOf(away)).to.equal('expired');
    expect(await gapOf((id - 1) as Position)).to.equal('expired');
    const recent = await now();
    expect(await gapOf(recent)).to.equal(undefined);
    // Begun anew, with nothing before its first message.
    expect((await publishOne(store, 'room:1')).revision).to.equal(1);
    expect(await gapOf(away)).to.equal('expired');
    expect(await gapOf(recent)).to.equal(undefined);
  });

  it('proves no more than it knew where it has been told to know for longer', async () => {
    await open(100);
    const away = await now();
    await publishOne(store, 'room:1');
    await configure(60_000);
    const raised = await now();
    await eventually(async () => (await redis.exists(...COUNTERS)) === 0);
    await pause(300);
    expect(await gapOf(away)).to.equal('expired');
    expect(await gapOf(raised)).to.equal(undefined);
    // And is told to know for longer with the next message, whenever that comes.
    await configure(100);
    await publishOne(store, 'room:1');
    await configure(60_000);
    await publishOne(store, 'room:1');
    for (const key of COUNTERS) expect(await redis.pttl(key)).to.be.above(knownFor(60_000) - 1000);
  });

  it('is the same where a counter was lost', async () => {
    await open(60_000);
    await publishOne(store, 'room:1');
    await redis.del(COUNTERS[0]!);
    await publishOne(store, 'room:1');
    for (const key of COUNTERS) expect(await redis.pttl(key)).to.be.above(0);
  });
});
