import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { BREAKAGES, SOON } from '../support/client/breakages.ts';
import { Stage } from '../support/client/stage.ts';
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

const PAGES = [...new Set(BREAKAGES.map(({ page }) => page))];
const optionsOf = (page: string): Record<string, unknown> => BREAKAGES.find((one) => one.page === page)?.client ?? {};

describe('a page with the client, in Chromium', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let client: Redis;
  let gateway: Gateway;
  /** Between the gateway and Redis. */
  let way: Relay;
  let browser: Browser;
  /** By the names of their pages. */
  const stages = new Map<string, Stage>();
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
    await Promise.all(PAGES.map(async (page) => stages.set(page, await open(page))));
    publishing = setInterval(() => {
      for (const [page, stage] of stages) void publish(page, stage);
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

  /** Of the page that loads, less is kept than it misses. */
  const channelOf = (page: string): string => `${optionsOf(page).load ? 'trimmed' : 'room'}:${page}`;

  function open(page: string): Promise<Stage> {
    const channel = channelOf(page);
    const options = optionsOf(page);
    const client = { ...options, channels: [channel], load: options.load && channel };
    const state = (): number[] => Array.from({ length: stages.get(page)?.sent ?? 0 }, (_, i) => i + 1);
    return Stage.open({ browser, gateway: gateway.port, state, client });
  }

  /** The number is in the state before it is published, as an application would do it. */
  async function publish(page: string, stage: Stage): Promise<void> {
    const number = `${++stage.sent}`;
    await client.call('FCALL', 'sisyphus_publish', '1', 'sisyphus:{0}', channelOf(page), number).catch(() => {});
  }

  /** The page has every number up to a moment from now, once and in order. A state that was loaded may have the next ones already. */
  async function isComplete(page: string, limit: number): Promise<void> {
    const stage = stages.get(page)!;
    const upTo = stage.sent + BEHIND;
    await eventually(async () => (await stage.got()).includes(upTo), limit, 20).catch(async (error: Error) => {
      const last = (await stage.got()).slice(-3);
      throw new Error(`${error.message}: ${upTo} is not among ${last}; ${(await stage.words()).join(', ')}`);
    });
    const got = await stage.got();
    const numbers = optionsOf(page).load ? [...new Set(got)] : got;
    expect(numbers, page).to.deep.equal(Array.from({ length: numbers.length }, (_, i) => i + 1));
  }

  const areComplete = (limit: number): Promise<unknown> => Promise.all(PAGES.map((page) => isComplete(page, limit)));

  it('has everything, in order and once, soon after', async () => {
    const failures: string[] = [];
    const broken = PAGES.map(async (page) => {
      for (const breakage of BREAKAGES.filter((one) => one.page === page)) {
        const stage = stages.get(page)!;
        const { length } = await stage.words();
        await breakage.act(stage);
        await isComplete(page, breakage.within ?? SOON);
        const words = (await stage.words()).slice(length);
        if (breakage.says) expect(words).to.include(breakage.says);
      }
    });
    for (const [i, one] of (await Promise.allSettled(broken)).entries())
      if (one.status === 'rejected') failures.push(`${PAGES[i]}: ${one.reason.message}`);
    expect(failures).to.deep.equal([]);
  });

  it('has it after the gateway was restarted behind a proxy that answers 502 meanwhile', async () => {
    await gateway.stop();
    await pause(1_000);
    gateway = await startGateway(env());
    for (const { front } of stages.values()) front.gateway = gateway.port;
    await areComplete(SOON);
  });

  it('has it after the gateway was without Redis for a while, when the gateway has said', async () => {
    way.refusing = true;
    way.cutAll();
    await pause(3_000);
    way.refusing = false;
    await areComplete(TOLD + SOON);
    const words = await Promise.all([...stages.values()].map((stage) => stage.words()));
    expect(words.filter((said) => said.includes('error redis')).length).to.be.above(PAGES.length / 2);
  });

  it('loads its state again after Redis has lost everything', async () => {
    await client.flushall();
    const page = PAGES.find((one) => optionsOf(one).load)!;
    await eventually(async () => (await stages.get(page)!.words()).includes('reset flushed'), SOON);
    await isComplete(page, SOON);
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
