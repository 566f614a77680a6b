import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const CLOCK = 'sisyphus:{0}:clock';

describe('settings that are one for all gateways', function () {
  this.timeout(40_000);
  let redis: RedisServer;
  let client: Redis;
  const gateways: Gateway[] = [];
  const streams: RawStream[] = [];

  beforeEach(async () => {
    redis = await startRedis();
    client = redis.client();
    await client.sadd('user:1:channels', 'room:1', 'folder:1');
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
    await redis.stop();
  });

  async function start(env: Record<string, string> = {}): Promise<Gateway> {
    const gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_BACKLOG_LENGTH: '100000', ...env });
    gateways.push(gateway);
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    return gateway;
  }

  async function stop(gateway: Gateway): Promise<void> {
    gateways.splice(gateways.indexOf(gateway), 1);
    await gateway.stop();
  }

  async function open({ port }: Gateway): Promise<RawStream> {
    const stream = openStream({ port, path: '/?user=1' });
    streams.push(stream);
    return stream.ok();
  }

  const texts = ({ messages }: RawStream) =>
    messages.filter(({ event }) => event === undefined).map(({ data }) => data);
  const resets = ({ frames }: RawStream) => frames.filter(({ event }) => event === 'reset');
  const differencesOf = async (gateway: Gateway) =>
    ((await gateway.status()).settings as { differences: { variable: string; here: string; installation: string }[] })
      .differences;

  /** What is recorded of a channel, in order. */
  async function recorded(channel: string): Promise<string[]> {
    const entries = await client.xrange(`sisyphus:{0}:channel:${channel}:msg_backlog`, '-', '+');
    return entries.map(([, fields]) => fields[1]!.slice(fields[1]!.indexOf('\n') + 1));
  }

  for (const order of ['narrow first', 'wide first', 'apart from each other'] as const) {
    it(`records what any gateway asks for, without a pause: ${order}`, async () => {
      const narrow = { SISYPHUS_RAW_CHANNELS: 'room:*' };
      const wide = { SISYPHUS_RAW_CHANNELS: order === 'apart from each other' ? 'user:*,folder:*' : '*:*' };
      const both: Gateway[] = [];
      for (const env of order === 'wide first' ? [wide, narrow] : [narrow, wide]) both.push(await start(env));
      for (const gateway of both) {
        const stream = await open(gateway);
        const watch = new Stopwatch(() => ({ redis: redis.pid, gateways: both.map(({ pid }) => pid) }));
        await client.publish('folder:1', 'in a folder');
        await client.publish('room:1', 'in a room');
        await client.publish('user:1', 'personal');
        await client.publish('room:1', 'behind it');
        await watch.within(1000, () => stream.messages.length === 4);
        expect(texts(stream)).to.deep.equal(['in a folder', 'in a room', 'personal', 'behind it']);
        expect(resets(stream)).to.deep.equal([]);
        const [difference] = await differencesOf(gateway);
        expect(difference).to.have.property('variable', 'SISYPHUS_RAW_CHANNELS');
        await gateway.waitForLog(
          ({ event, variable }) => event === 'settings_differ' && variable === difference!.variable,
        );
        stream.close();
      }
    });
  }

  it('let a gateway start only when what it asks for is recorded', async () => {
    const narrow = await start({ SISYPHUS_RAW_CHANNELS: 'room:*' });
    const starting = startGateway({ REDIS_URL: redis.url });
    // Who records takes longer than usual to hear of it, but keeps the lease.
    await eventually(async () => /\*:\*/.test((await client.hget(CLOCK, 'wanted')) ?? ''), 10_000, 2);
    narrow.kill('SIGSTOP');
    await pause(500);
    narrow.kill('SIGCONT');
    gateways.push(await starting);
    await client.publish('folder:1', 'at once');
    await eventually(async () => (await recorded('folder:1')).includes('at once'));
  });

  it('tell a gateway that records nothing itself what is recorded by others, and so what may be lost', async () => {
    const recorder = await start({ SISYPHUS_RAW_CHANNELS: 'room:*' });
    const off = await start({ SISYPHUS_RAW_CHANNELS: '' });
    const stream = await open(off);
    gateways.splice(gateways.indexOf(recorder), 1);
    recorder.kill('SIGKILL');
    await recorder.exited;
    await client.publish('room:1', 'to nobody');
    await start({ SISYPHUS_RAW_CHANNELS: 'room:*' });
    await stream.until(() => resets(stream).length > 0);
    expect(resets(stream).map(({ data }) => data)).to.deep.equal([
      '<message><reset><channel>room:1</channel><reason>unrecorded</reason></reset></message>',
    ]);
  });

  it('have a rule of the next deploy replace messages at the gateways of the one before, too', async () => {
    const old = await start();
    const publish = async (text: string): Promise<string> => {
      const [id] = (await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'room:1', text)) as string[];
      return String(id);
    };
    const id = await publish('0');
    for (let i = 1; i <= 3; i++) await publish(`${i}`);
    const back = async (position: string): Promise<(string | undefined)[]> => {
      const stream = openStream({ port: old.port, path: `/?user=1&since=${position}` });
      streams.push(stream);
      await stream.ok();
      await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'user:1', 'end');
      await stream.until(() => texts(stream).includes('end'));
      stream.close();
      expect(resets(stream)).to.deep.equal([]);
      return texts(stream).filter((text) => text !== 'end');
    };
    expect(await back(id)).to.deep.equal(['1', '2', '3']);
    await start({ SISYPHUS_BACKLOG_RULES: 'room:*=1' });
    await eventually(async () =>
      (await differencesOf(old)).some(({ variable }) => variable === 'SISYPHUS_BACKLOG_RULES'),
    );
    expect(await back(id), 'kept under the rule before').to.deep.equal(['3']);
    await publish('4');
    expect(await back(id)).to.deep.equal(['4']);
  });

  it('go over from one deploy to the next, and back, while every plain message is recorded once', async () => {
    const old = { SISYPHUS_RAW_CHANNELS: 'room:*,user:*' };
    const next = { SISYPHUS_RAW_CHANNELS: 'room:*,user:*,folder:*', SISYPHUS_BACKLOG_LENGTH: '90000' };
    const first = [await start(old), await start(old)];
    let isOver = false;
    let count = 0;
    const publishing = (async () => {
      while (!isOver) {
        await client.publish('room:1', String(count++));
        await client.publish('folder:1', String(count));
        await pause(2);
      }
    })();
    const second: Gateway[] = [];
    for (const gateway of first) {
      second.push(await start(next));
      // As soon as the first of them is ready, what it asks for is recorded.
      if (second.length === 1) await client.publish('folder:1', 'ready');
      await stop(gateway);
    }
    await eventually(async () => (await client.hget(CLOCK, 'length')) === '90000');
    await client.publish('folder:1', 'over');
    const third = await start(old);
    for (const gateway of second) await stop(gateway);
    await eventually(async () => (await client.hget('sisyphus:{0}:recorder', 'patterns')) === 'room:* user:*', 10_000);
    expect(await client.hget(CLOCK, 'length')).to.equal('100000');
    isOver = true;
    await publishing;
    await client.publish('folder:1', 'not recorded any more');
    await client.publish('room:1', 'last');
    await eventually(async () => (await recorded('room:1')).at(-1) === 'last');
    const rooms = await recorded('room:1');
    expect(rooms).to.deep.equal([...Array.from({ length: count }, (_, i) => String(i)), 'last']);
    const folders = await recorded('folder:1');
    expect(folders).to.include.members(['ready', 'over']).and.not.include('not recorded any more');
    const numbers = folders.slice(folders.indexOf('ready') + 1, folders.indexOf('over')).map(Number);
    expect(numbers, 'without a hole').to.deep.equal(numbers.map((_, i) => numbers[0]! + i));
    expect(await client.lrange('sisyphus:{0}:gaps', 0, -1)).to.deep.equal([]);
    expect(await differencesOf(third)).to.deep.equal([]);
  });

  it('of a gateway that is killed and started again do not win over those of a later deploy', async () => {
    const old = await start({ SISYPHUS_BACKLOG_LENGTH: '5' });
    const later = await start({ SISYPHUS_BACKLOG_LENGTH: '7' });
    expect(await client.hget(CLOCK, 'length')).to.equal('7');
    await eventually(async () => (await differencesOf(old)).length === 1);
    const expected = { variable: 'SISYPHUS_BACKLOG_LENGTH', here: '5', installation: '7' };
    expect(await differencesOf(old)).to.deep.equal([expected]);
    await old.waitForLog(({ event }) => event === 'settings_changed');
    gateways.splice(gateways.indexOf(old), 1);
    old.kill('SIGKILL');
    await old.exited;
    const again = await start({ SISYPHUS_BACKLOG_LENGTH: '5' });
    const line = await again.waitForLog(({ event }) => event === 'settings_differ');
    expect(line).to.deep.include(expected);
    expect(line.msg).to.contain('expected the same for all gateways');
    expect(await client.hget(CLOCK, 'length')).to.equal('7');
    expect(await differencesOf(later)).to.deep.equal([]);
    await stop(later);
    await eventually(async () => (await client.hget(CLOCK, 'length')) === '5');
    await eventually(async () => (await differencesOf(again)).length === 0);
  });

  it('keep a gateway from being ready where they break a promise of its own', async () => {
    await start({ SISYPHUS_MAX_MESSAGE: '64KB' });
    const small = await startGateway({ REDIS_URL: redis.url, SISYPHUS_MAX_MESSAGE: '1KB', SISYPHUS_MAX_BUFFER: '2KB' });
    gateways.push(small);
    const ready = async () => (await fetch(`${small.url}/readyz`)).status === 200;
    expect(await ready(), 'its own are the latest').to.equal(true);
    await start({ SISYPHUS_MAX_MESSAGE: '32KB' });
    await eventually(async () => !(await ready()));
    const { reasons } = (await (await fetch(`${small.url}/readyz`)).json()) as { reasons: string[] };
    expect(reasons.join()).to.match(/32768 bytes may be published: expected a SISYPHUS_MAX_BUFFER/);
  });
});
