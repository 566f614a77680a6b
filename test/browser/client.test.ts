import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { BREAKAGES, type Breakage, SOON } from '../support/client-breakages.ts';
import { Stage } from '../support/client-stage.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';

/** Each page is sent a number so often (ms). */
const EVERY = 100;
/** The longest `retry` that the gateway gives when Redis is away (ms). */
const TOLD = 10_000;
/** So many numbers behind the moment in which the line is there again have to arrive, too. */
const BEHIND = 5;

describe('a page with the client, in Chromium', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let client: Redis;
  let gateway: Gateway;
  /** Between the gateway and Redis. */
  let way: Relay;
  let browser: Browser;
  const stages = new Map<Breakage, Stage>();
  let publishing: NodeJS.Timeout;
  const env = (): Record<string, string> => ({
    REDIS_URL: `redis://127.0.0.1:${way.port}`,
    SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
    SISYPHUS_NOOP_INTERVAL: '1s',
    SISYPHUS_REDIS_GRACE: '1s',
    SISYPHUS_BACKLOG_RULES: 'trimmed:*=20,room:*=1000',
    SISYPHUS_PUBLIC_CHANNELS: '*:*',
  });

  before(async () => {
    redis = await startRedis();
    client = redis.client();
    way = await startRelay({ targetPort: redis.port });
    gateway = await startGateway(env());
    browser = await launchChromium(['--disable-back-forward-cache']);
    await Promise.all(BREAKAGES.map(async (breakage) => stages.set(breakage, await open(breakage))));
    publishing = setInterval(() => {
      for (const [breakage, stage] of stages) void publish(breakage, stage);
    }, EVERY);
  });

  after(async () => {
    clearInterval(publishing);
    await browser?.close();
    for (const stage of stages.values()) await stage.close();
    await gateway?.stop();
    await way?.stop();
    await redis?.stop();
  });

  const channelOf = (breakage: Breakage): string =>
    `${breakage.client?.load ? 'trimmed' : 'room'}:${BREAKAGES.indexOf(breakage)}`;

  function open(breakage: Breakage): Promise<Stage> {
    const channel = channelOf(breakage);
    const load = breakage.client?.load ? { load: channel } : {};
    const state = (): number[] => Array.from({ length: stages.get(breakage)?.sent ?? 0 }, (_, i) => i + 1);
    return Stage.open({
      browser,
      gateway: gateway.port,
      state,
      client: { ...breakage.client, channels: [channel], ...load },
    });
  }

  /** The number is in the state before it is published, as an application would do it. */
  async function publish(breakage: Breakage, stage: Stage): Promise<void> {
    const number = `${++stage.sent}`;
    await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', channelOf(breakage), number).catch(() => {});
  }

  /** The page has every number up to now, once and in order. A state that was loaded may have the next ones already. */
  async function isComplete(breakage: Breakage, limit: number): Promise<void> {
    const stage = stages.get(breakage)!;
    const upTo = stage.sent + BEHIND;
    const begun = performance.now();
    await eventually(async () => (await stage.got()).includes(upTo), limit, 20).catch(async (error: Error) => {
      throw new Error(
        `${error.message}: ${upTo} is not among ${(await stage.got()).slice(-3)}; ${await stage.words()}`,
      );
    });
    const took = performance.now() - begun;
    const got = await stage.got();
    const numbers = breakage.client?.load ? [...new Set(got)] : got;
    expect(numbers, breakage.name).to.deep.equal(Array.from({ length: numbers.length }, (_, i) => i + 1));
    if (process.env.SHOW) console.log(`${Math.round(took)} ms: ${breakage.name}`);
  }

  it('has everything, in order and once, soon after', async () => {
    const broken = BREAKAGES.map(async (breakage) => {
      const stage = stages.get(breakage)!;
      await pause(500);
      await breakage.act(stage);
      await isComplete(breakage, breakage.within ?? SOON);
      expect(await stage.words(), breakage.name).to.include.members(breakage.says ?? []);
    });
    const failed = (await Promise.allSettled(broken)).flatMap((one, i) =>
      one.status === 'rejected' ? [`${BREAKAGES[i]!.name}: ${one.reason.message}`] : [],
    );
    expect(failed).to.deep.equal([]);
  });

  it('has it after the gateway was restarted behind a proxy that answers 502 meanwhile', async () => {
    await gateway.stop();
    await pause(1_000);
    gateway = await startGateway(env());
    for (const { front } of stages.values()) front.gateway = gateway.port;
    await Promise.all(BREAKAGES.map((breakage) => isComplete(breakage, SOON)));
  });

  it('has it after the gateway was without Redis for a while, when the gateway has said', async () => {
    way.refusing = true;
    way.cutAll();
    await pause(3_000);
    way.refusing = false;
    await Promise.all(BREAKAGES.map((breakage) => isComplete(breakage, TOLD + SOON)));
    const words = await Promise.all([...stages.values()].map((stage) => stage.words()));
    expect(words.filter((said) => said.includes('error redis')).length).to.be.above(BREAKAGES.length / 2);
  });

  it('loads its state again after Redis has lost everything', async () => {
    await client.flushall();
    const breakage = BREAKAGES.find(({ client: options }) => options?.load)!;
    await isComplete(breakage, SOON);
    await eventually(async () => (await stages.get(breakage)!.words()).includes('reset flushed'), SOON);
    await isComplete(breakage, SOON);
  });

  it('asks for a credential again when one has ended, and stops when it is revoked', async () => {
    const guarded = await startGateway({ ...env(), SISYPHUS_AUTH: 'token' });
    const post = async (path: string, body: unknown): Promise<Record<string, string>> => {
      const response = await postPublish(guarded.url, JSON.stringify(body), { path });
      return (await response.json()) as Record<string, string>;
    };
    let tokens = 0;
    const token = async (): Promise<string> => {
      tokens++;
      return (await post('/tokens', { user: '7', ttl: '1500ms' })).token!;
    };
    const stage = await Stage.open({ browser, gateway: guarded.port, token, client: { tokens: true } });
    try {
      const sent: number[] = [];
      while (tokens < 2) {
        sent.push(sent.length + 1);
        await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', 'user:7', `${sent.length}`);
        await pause(50);
      }
      await eventually(async () => (await stage.got()).length === sent.length, SOON);
      expect(await stage.got()).to.deep.equal(sent);
      expect(await stage.words()).to.include('error expired');
      await post('/disconnect', { user: '7' });
      await eventually(async () => (await stage.status()) === 'failure', SOON);
      const { accepted } = stage.relay;
      await pause(1_500);
      expect((await stage.words()).at(-1)).to.equal('failure revoked');
      expect([stage.relay.accepted, tokens]).to.deep.equal([accepted, tokens]);
    } finally {
      await stage.close();
      await guarded.stop();
    }
  });
});
