import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { ROOT } from '../support/checkout.ts';
import { freePort } from '../support/child.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { buildOlderVersion, libraryNumber, type OlderVersion } from '../support/older-version.ts';
import { fcallPublisher, PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { ReturningReader } from '../support/returning-reader.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const READERS = 10;
/** Between two messages of one way (ms). */
const PAUSE = 20;
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const CHANNELS = ['room:1', 'room:2'];
const NEWER = process.env.TEST_GATEWAY ?? join(ROOT, 'bin/sisyphus');

describe('a fleet of the version before and this one', function () {
  this.timeout(120_000);
  let older: OlderVersion;
  let redis: RedisServer;
  let ports: number[];
  let gateways: (Gateway | undefined)[];
  let readers: ReturningReader[];
  /** What was published, by the way it went. */
  let published: Map<string, string[]>;
  let isPublishing: boolean;

  before(() => {
    older = buildOlderVersion();
  });

  after(() => rmSync(older.folder, { recursive: true, force: true }));

  beforeEach(async () => {
    redis = await startRedis();
    await redis.client().sadd('user:1:channels', ...CHANNELS);
    ports = [await freePort(), await freePort()];
    gateways = [];
    readers = [];
    published = new Map();
    isPublishing = true;
  });

  afterEach(async () => {
    isPublishing = false;
    for (const reader of readers) reader.close();
    await Promise.all(gateways.map((gateway) => gateway?.stop()));
    await redis.stop();
  });

  async function start(place: number, bin: string): Promise<void> {
    const own = { PORT: String(ports[place]), SISYPHUS_DRAIN: '300ms', SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    const limits = { SISYPHUS_MAX_STREAMS_PER_USER: '1000', SISYPHUS_BACKLOG_LENGTH: '10000' };
    const gateway = await startGateway({ REDIS_URL: redis.url, ...own, ...limits }, bin);
    gateways[place] = gateway;
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000);
  }

  async function replace(place: number, bin: string): Promise<void> {
    const old = gateways[place]!;
    gateways[place] = undefined;
    old.kill('SIGTERM');
    await old.exited;
    await start(place, bin);
    // Readers and messages of the fleet as it is now, of every way: a command line takes a second to start on a busy machine.
    const before = new Map([...published].map(([way, sent]) => [way, sent.length]));
    await pause(700);
    await eventually(() => [...published].every(([way, sent]) => sent.length > before.get(way)! + 1), 15_000);
  }

  /** One that runs, as a balancer knows it. */
  function anyPort(): number {
    const living = ports.filter((_, place) => gateways[place]);
    return living[Math.floor(Math.random() * living.length)]!;
  }

  /** Publishes one message after another until the test ends it; `send` answers when the message is published. */
  async function publishBy(way: string, send: (channel: string, text: string) => Promise<unknown>): Promise<void> {
    const texts: string[] = [];
    published.set(way, texts);
    while (isPublishing) {
      const text = `${way} ${texts.length}`;
      await send(CHANNELS[texts.length % CHANNELS.length]!, text);
      texts.push(text);
      await pause(PAUSE);
    }
  }

  /** Until it is answered: with the same key, so that it is published once. */
  async function sendByHttp(channel: string, data: string): Promise<void> {
    // Gateways of the version before read past the trace.
    const headers = { traceparent: TRACE, 'Idempotency-Key': `key-${data.replace(' ', '-')}` };
    await eventually(async () => {
      const answer = await postPublish(`http://127.0.0.1:${anyPort()}`, JSON.stringify({ channel, data }), { headers });
      if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
      return true;
    }, 10_000);
  }

  function publishers(): Promise<void>[] {
    const client = redis.client();
    const viaCommand = (bin: string) => (channel: string, data: string) =>
      run(bin, ['publish', channel, data], { env: { PATH: process.env.PATH, REDIS_URL: redis.url } });
    return [
      publishBy('plain', (channel, text) => client.publish(channel, text)),
      publishBy('fcall', fcallPublisher(client)),
      publishBy('http', sendByHttp),
      publishBy('older-cli', viaCommand(older.bin)),
      publishBy('newer-cli', viaCommand(NEWER)),
      // Rights that change all the while: what comes of it must reach whoever has the right, in both versions.
      publishBy('grants', async (channel, text) => {
        const other = `pass:${text.replace(' ', '-')}`;
        await client.sadd('user:1:channels', other);
        await client.publish('user:1', `granted ${text}`);
        await fcallPublisher(client)(channel, text);
        await client.srem('user:1:channels', other);
      }),
    ];
  }

  it('rolls forwards and back under readers and publishers of every way: nothing is lost, nothing comes twice', async () => {
    expect(older.library).to.be.below(libraryNumber());
    await start(0, older.bin);
    await start(1, older.bin);
    readers = Array.from({ length: READERS }, () => new ReturningReader(anyPort, '/stream?user=1'));
    await eventually(() => readers.every(({ oks }) => oks > 0), 10_000);
    const publishing = publishers();
    // Errors are held at the end.
    for (const promise of publishing) promise.catch(() => {});
    await pause(500);
    for (const bin of [NEWER, older.bin]) {
      await replace(0, bin);
      await replace(1, bin);
    }
    isPublishing = false;
    await Promise.all(publishing);
    const texts = [...published.values()].flat();
    const granted = published.get('grants')!.map((text) => `granted ${text}`);
    await eventually(
      () => readers.every(({ messages }) => messages.length >= texts.length + granted.length),
      15_000,
    ).catch(
      // What is missing is said below.
      () => undefined,
    );
    for (const { messages, refusals } of readers) {
      expect(refusals).to.deep.equal([]);
      expect([...messages].sort()).to.deep.equal([...texts, ...granted].sort());
      for (const [way, sent] of published) {
        for (const [i, channel] of CHANNELS.entries()) {
          const inOrder = sent.filter((_, number) => number % CHANNELS.length === i);
          const came = messages.filter((text) => inOrder.includes(text));
          expect(came, `${way} on ${channel}`).to.deep.equal(inOrder);
        }
      }
    }
    expect(new Set(readers.map(({ messages }) => messages.join())).size).to.equal(1);
    expect(published.get('plain')!.length).to.be.above(50);
    // The library of the newer version stays, and gateways of the older one use it.
    const [number] = [await redis.client().call('FCALL_RO', 'sisyphus_version', '1', 'sisyphus:{0}')];
    expect(number).to.equal(libraryNumber());
  });
});
