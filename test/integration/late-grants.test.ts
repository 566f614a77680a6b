import { expect } from 'chai';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

describe('a plain grant that is recorded only when streams have gone past it', () => {
  let redis: RedisServer;
  let gateway: Gateway;
  /** Owns the lease, and records when it is told to. */
  let recorder: RawRecorder;
  let stream: RawStream;

  before(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url };
    expect(await runCommand(['functions', 'load'], { env })).to.include({ code: 0 });
    recorder = await RawRecorder.begin(() => redis.client(), 'slow');
    expect(await recorder.lease('keep')).to.equal('leader');
    gateway = await startGateway(env);
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
  });

  after(async () => {
    recorder?.end();
    await gateway?.stop();
    await redis?.stop();
  });

  afterEach(() => stream?.close());

  async function open(user: string, lastEventId?: string): Promise<void> {
    const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
    stream = await openStream({ port: gateway.port, path: `/?user=${user}`, headers }).ok();
  }

  const publish = (channel: string, text: string): Promise<unknown> =>
    redis.client().fcall('sisyphus_publish', 0, channel, text);
  const texts = (): string[] =>
    stream.messages.map(({ event, data }) => (event === 'reset' ? data!.replace(/<.*?>/g, ' ').trim() : data!));

  /** The channel `news:<user>` is granted plainly. Then a stream looks at the list, and goes past what it cannot place. */
  async function goPast(user: string, ...between: string[]): Promise<string> {
    const [room, news] = [`room:${user}`, `news:${user}`];
    await redis.client().sadd(`user:${user}:channels`, room);
    await open(user);
    await publish(room, 'first');
    await stream.frame(({ data }) => data === 'first');
    const { lastEventId } = stream;
    stream.close();
    await redis.client().sadd(`user:${user}:channels`, news);
    await redis.client().publish(`user:${user}`, 'granted');
    await recorder.hears(1);
    for (const text of between) await publish(news, text);
    await open(user, lastEventId);
    await publish(news, 'heard');
    await publish(room, 'past it');
    await stream.frame(({ data }) => data === 'past it');
    expect(texts()).to.deep.equal(['heard', 'past it']);
    return stream.lastEventId!;
  }

  it('is told to a stream that is still open', async () => {
    await goPast('1', 'unseen');
    await recorder.record();
    await stream.frame(({ data }) => data === 'granted');
    expect(texts().slice(2)).to.have.members(['news:1  overtaken', 'granted']);
  });

  it('is told to a stream that has broken off before, when its client is back', async () => {
    const position = await goPast('2', 'unseen');
    stream.close();
    await recorder.record();
    await open('2', position);
    await stream.frame(({ data }) => data === 'granted');
    expect(texts()).to.deep.equal(['news:2  overtaken', 'granted']);
    // It is told once.
    const { lastEventId } = stream;
    stream.close();
    await open('2', lastEventId);
    await publish('news:2', 'later');
    await stream.frame(({ data }) => data === 'later');
    expect(texts()).to.deep.equal(['later']);
  });

  it('is no reason for a reset where nothing was published in between', async () => {
    const position = await goPast('3');
    stream.close();
    await recorder.record();
    await open('3', position);
    await stream.frame(({ data }) => data === 'granted');
    expect(texts()).to.deep.equal(['granted']);
  });
});
