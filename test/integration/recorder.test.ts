import { expect } from 'chai';
import type { Frame } from '../support/frames.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const resets = (frames: Frame[], channel: string): Frame[] =>
  frames.filter(({ event, data }) => event === 'reset' && data?.includes(`<channel>${channel}</channel>`));

describe('a plain PUBLISH that nobody heard', function () {
  this.timeout(30_000);
  let redis: RedisServer;
  const gateways: Gateway[] = [];
  const streams: RawStream[] = [];
  before(async () => {
    redis = await startRedis();
    await redis.client().sadd('user:1:channels', 'room:1');
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
  });
  after(() => redis.stop());

  async function start(env: Record<string, string> = {}): Promise<Gateway> {
    const gateway = await startGateway({ REDIS_URL: redis.url, ...env });
    gateways.push(gateway);
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    return gateway;
  }

  async function open({ port }: Gateway, position?: string): Promise<RawStream> {
    const headers: Record<string, string> = position === undefined ? {} : { 'Last-Event-ID': position };
    const stream = openStream({ port, path: '/?user=1', headers });
    streams.push(stream);
    return stream.ok();
  }

  for (const [text, published] of [
    ['is announced to who comes back, where the only gateway was restarted in an orderly way', true],
    ['is not announced where there was none', false],
  ] as const) {
    it(text, async () => {
      const first = await start();
      const before = await open(first);
      await redis.client().publish('room:1', 'heard');
      await before.until(({ messages }) => messages.length === 1);
      gateways.length = 0;
      await first.stop();
      if (published) expect(await redis.client().publish('room:1', 'to nobody')).to.equal(0);
      const again = await open(await start(), before.lastEventId);
      await redis.client().publish('room:1', 'after');
      await again.until(({ messages }) => messages.some(({ data }) => data === 'after'));
      expect(resets(again.frames, 'room:1')).to.have.length(published ? 1 : 0);
      const fresh = await open(gateways[0]!);
      await redis.client().publish('room:1', 'later');
      await fresh.until(({ messages }) => messages.length === 1);
      expect(resets(fresh.frames, 'room:1'), 'who comes later has no part in it').to.deep.equal([]);
    });
  }
});
