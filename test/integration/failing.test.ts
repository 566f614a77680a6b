import { expect } from 'chai';
import { startGateway } from '../support/gateway.ts';
import { openStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const STATUS = (status: string): string => `<message><status>${status}</status></message>`;

describe('Redis, failing', function () {
  this.timeout(60_000);
  let world: World;

  beforeEach(async () => {
    // So many that what is missed in each cut is kept until it is read, also if the machine is busy.
    world = await startWorld({ SISYPHUS_REDIS_GRACE: '3s', SISYPHUS_BACKLOG_LENGTH: '300' });
    await world.allow('1', 'room:1', 'room:2');
  });

  afterEach(() => world.stop());

  it('away at connect: error within 2 s, status 200, and the end', async () => {
    world.redis.kill('SIGSTOP');
    const watch = world.stopwatch();
    const stream = world.open();
    await stream.ended(4000);
    expect(watch.elapsed).to.be.lessThan(2200);
    expect(stream.status).to.equal(200);
    expect(stream.frames).to.have.length(1);
    expect(stream.frames[0]!.data).to.equal(STATUS('error'));
    expect(stream.frames[0]!.retry).to.be.within(5000, 10_000);
    world.redis.kill('SIGCONT');
  });

  it('away at connect: the error keeps the position that the client brought', async () => {
    const first = await world.openOk();
    const position = first.lastEventId!;
    await world.publish.fcall('room:1', 'missed');
    first.close();
    world.redis.kill('SIGSTOP');
    const refused = world.open({ headers: { 'Last-Event-ID': position } });
    await refused.ended(4000);
    expect(refused.lastEventId).to.equal(position);
    world.redis.kill('SIGCONT');
    const back = await eventually(() => world.openOk({ headers: { 'Last-Event-ID': refused.lastEventId! } }), 10_000);
    await back.until(({ messages }) => messages.some(({ data }) => data === 'missed'));
  });

  it('never there: the gateway starts, lives, is not ready, and says error', async () => {
    const gateway = await startGateway({ REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      expect((await fetch(`${gateway.url}/healthz`)).status).to.equal(200);
      expect((await fetch(`${gateway.url}/readyz`)).status).to.equal(503);
      const stream = openStream({ port: gateway.port, path: '/?user=1' });
      await stream.ended(3000);
      expect(stream.frames[0]!.data).to.equal(STATUS('error'));
      // Who comes back from there begins now, as if it had brought nothing.
      expect(stream.lastEventId).to.equal('0');
    } finally {
      await gateway.stop();
    }
  });

  it('away in mid-stream for less than the grace: nothing is seen, and nothing is lost', async () => {
    const stream = await world.openOk();
    world.redis.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    world.redis.kill('SIGCONT');
    await eventually(() => world.publish.fcall('room:1', 'after'), 5000);
    await stream.until(({ messages }) => messages.some(({ data }) => data === 'after'));
    expect(stream.frames.filter(({ event, data }) => event === 'reset' || data === STATUS('error'))).to.deep.equal([]);
  });

  it('away in mid-stream for longer: error, close, and complete after the return', async () => {
    const stream = await world.openOk();
    await world.publish.fcall('room:1', 'one');
    await stream.until(({ messages }) => messages.length === 1);
    world.redis.kill('SIGSTOP');
    await stream.ended(12_000);
    expect(stream.frames.at(-1)!.data).to.equal(STATUS('error'));
    expect(stream.lastEventId).to.equal(stream.messages[0]!.id);
    world.redis.kill('SIGCONT');
    await eventually(() => world.publish.fcall('room:2', 'two'), 5000);
    const back = await eventually(() => world.openOk({ headers: { 'Last-Event-ID': stream.lastEventId! } }), 10_000);
    await back.until(({ messages }) => messages.some(({ data }) => data === 'two'));
    expect(back.frames.some(({ event }) => event === 'reset')).to.equal(false);
  });

  it('a subscriber connection cut again and again: healed from the backlogs, in order, without a reset', async () => {
    const stream = await world.openOk();
    const expected: string[] = [];
    for (let i = 0; i < 600; i++) {
      await world.publish.fcall(`room:${1 + (i % 2)}`, `m${i}`);
      expected.push(`m${i}`);
      if (i % 60 === 30) await world.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await stream.until(({ messages }) => messages.length >= expected.length, 10_000);
    expect(stream.messages.map(({ data }) => data)).to.deep.equal(expected);
  });

  it('the last message before silence is missed: found within 2 s of the return', async () => {
    const stream = await world.openOk();
    for (let i = 0; i < 10; i++) {
      const watch = world.stopwatch();
      await Promise.all([
        world.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
        world.publish.fcall('room:1', `tail-${i}`),
      ]);
      await watch.within(2500, () => stream.messages.length === i + 1);
    }
  });

  it('a denied channel: the others go on, also after reconnects', async () => {
    const rooms = Array.from({ length: 50 }, (_, i) => `room:${i}`);
    const patterns = [...rooms.filter((room) => room !== 'room:7'), 'user:acl'].map(
      (room) => `&sisyphus{0}/${room.replace(':', '/')}`,
    );
    await world.client.call(
      'ACL',
      'SETUSER',
      'gw',
      'on',
      '>pw',
      '+@all',
      '~*',
      'resetchannels',
      '&user:acl',
      ...patterns,
    );
    await world.allow('acl', ...rooms);
    const url = world.redis.url.replace('redis://', 'redis://gw:pw@');
    const gateway = await startGateway({ REDIS_URL: url, SISYPHUS_RAW_CHANNELS: '' });
    try {
      const stream = await openStream({ port: gateway.port, path: '/?user=acl' }).ok();
      for (let round = 0; round < 20; round++) {
        await Promise.all(rooms.map((room) => world.publish.fcall(room, `${room} ${round}`)));
        await stream.until(({ messages }) => messages.length === 49 * (round + 1), 5000);
        await world.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      }
      expect(stream.messages.some(({ data }) => data?.startsWith('room:7 '))).to.equal(false);
      expect(gateway.logs.some(({ event, channel }) => event === 'channel_refused' && channel === 'room:7')).to.equal(
        true,
      );
      stream.close();
    } finally {
      await gateway.stop();
    }
  });

  it('channels named like what objects inherit, and as long as may be', async () => {
    const rooms = ['__proto__', 'constructor', 'toString', 'x'.repeat(128)];
    await world.allow('odd', ...rooms);
    const stream = await world.openOk({ path: '/?user=odd' });
    for (let round = 0; round < 5; round++) {
      for (const room of rooms) await world.publish.fcall(room, `${room} ${round}`);
      await stream.until(({ messages }) => messages.length === rooms.length * (round + 1), 5000);
      await world.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
    expect(stream.frames.some(({ event }) => event === 'reset')).to.equal(false);
  });

  it('a backlog of the wrong type: what cannot be recorded is not delivered, and the other channels go on', async () => {
    const stream = await world.openOk();
    await world.client.set('sisyphus:{0}:channel:room:1:msg_backlog', 'not ours');
    const refused = await world.publish.fcall('room:1', 'unrecorded').catch((error: Error) => error.message);
    expect(refused).to.contain('WRONGTYPE');
    await world.publish.plain('room:1', 'unrecorded');
    await world.publish.plain('room:2', 'recorded');
    const texts = () => stream.messages.filter(({ event }) => event !== 'reset').map(({ data }) => data);
    await stream.until(() => texts().length > 0);
    await world.client.del('sisyphus:{0}:channel:room:1:msg_backlog');
    const { revision } = await world.publish.fcall('room:1', 'first');
    expect(revision).to.equal(1);
    await stream.until(() => texts().length > 1);
    expect(texts()).to.deep.equal(['recorded', 'first']);
  });

  it('functions flushed: publishing goes on', async () => {
    const stream = await world.openOk();
    await world.client.call('FUNCTION', 'FLUSH');
    await world.publish.http('room:1', 'http');
    await world.publish.plain('room:1', 'plain');
    await stream.until(({ messages }) => messages.length === 2);
  });

  it('set up to evict keys: the gateway says that this is wrong', async () => {
    await world.client.config('SET', 'maxmemory', '1gb');
    await world.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await world.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const { policy } = await world.gateway.waitForLog(({ event }) => event === 'redis_evicts', 3000);
    expect(policy).to.equal('allkeys-lru');
  });

  it('out of memory: 507 and nothing delivered; streams stay up; it goes on after relief', async () => {
    const stream = await world.openOk();
    await world.client.config('SET', 'maxmemory', '1');
    const refused = await world.publish.http('room:1', 'no').then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refused).to.contain('507').and.to.contain('out_of_memory');
    const second = await world.openOk();
    expect(String((await world.gateway.status()).reasons)).to.contain('OOM');
    await world.client.config('SET', 'maxmemory', '0');
    // Also before anybody has published again.
    await eventually(async () => String((await world.gateway.status()).reasons) === '', 12_000, 50);
    await world.publish.http('room:1', 'yes');
    await stream.until(({ messages }) => messages.length > 0);
    await second.until(({ messages }) => messages.length > 0);
    expect(stream.messages.map(({ data }) => data)).to.deep.equal(['yes']);
  });
});

describe('stopping', function () {
  this.timeout(30_000);

  it('SIGTERM: each stream gets a retry of its own and its end, paced over the drain, then exit 0', async () => {
    const world = await startWorld({ SISYPHUS_DRAIN: '1s' });
    try {
      const streams = await Promise.all(Array.from({ length: 20 }, (_, i) => world.openOk({ path: `/?user=u${i}` })));
      world.gateway.kill('SIGTERM');
      await Promise.all(streams.map((stream) => stream.ended(5000)));
      const ends = streams.map(({ closedAt }) => closedAt).sort((a, b) => a - b);
      expect(ends.at(-1)! - ends[0]!).to.be.within(500, 2000);
      const retries = streams.map(({ frames }) => frames.at(-1)!.retry);
      expect(new Set(retries).size).to.be.greaterThan(10);
      for (const { frames } of streams) {
        expect(frames.length).to.equal(2);
        expect(frames[1]!.id).to.not.equal(undefined);
        expect(frames[1]!.data).to.equal('noop');
      }
      expect((await world.gateway.exited).code).to.equal(0);
    } finally {
      await world.redis.stop();
    }
  });

  it('a second signal ends it at once', async () => {
    const world = await startWorld({ SISYPHUS_DRAIN: '20s' });
    try {
      await Promise.all(Array.from({ length: 5 }, (_, i) => world.openOk({ path: `/?user=u${i}` })));
      world.gateway.kill('SIGTERM');
      await world.gateway.waitForLog(({ event }) => event === 'draining');
      const watch = world.stopwatch();
      world.gateway.kill('SIGTERM');
      await world.gateway.exited;
      expect(watch.elapsed).to.be.lessThan(1000);
    } finally {
      await world.redis.stop();
    }
  });

  it('over capacity: error and a retry, for the newest', async () => {
    const world = await startWorld({ SISYPHUS_MAX_STREAMS_PER_USER: '2', SISYPHUS_MAX_STREAMS: '3' });
    try {
      await Promise.all([world.openOk(), world.openOk()]);
      const third = world.open();
      await third.ended();
      expect(third.frames[0]!.data).to.equal(STATUS('error'));
      await world.openOk({ path: '/?user=2' });
      const fourth = world.open({ path: '/?user=3' });
      await fourth.ended();
      expect(fourth.frames[0]!.data).to.equal(STATUS('error'));
      const { streams, users } = await world.gateway.status();
      expect({ streams, users }).to.deep.equal({ streams: 3, users: 2 });
    } finally {
      await world.stop();
    }
  });
});
