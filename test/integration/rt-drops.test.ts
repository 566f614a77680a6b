import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { publishers } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { CutClient } from '../support/rt-load.ts';
import { eventually } from '../support/wait.ts';

/** How long the load lasts; a minute is the long form. */
const SECONDS = Number(process.env.RT_SECONDS ?? 10);
const CLIENTS = 20;
const GATEWAYS = 3;
const RATE = 100;
const CHANNELS = Array.from({ length: 12 }, (_, i) => `news:${i}`);
/** So few that a client that pauses for some seconds lacks messages on the busy channels. */
const LENGTH = 25;
/** Messages that may be published, and trim the backlog, between the end of what a poll reads and the reading. */
const MEANWHILE = 10;
const BETWEEN_KILLS = 3000;

describe('long polls that are cut at random moments', function () {
  this.timeout(SECONDS * 1000 + 90_000);
  let redis: RedisServer;
  let gateways: Gateway[];
  let clients: CutClient[];

  const start = (port = '0'): Promise<Gateway> =>
    startGateway({
      REDIS_URL: redis.url,
      PORT: port,
      SISYPHUS_PROTOCOLS: 'rt',
      SISYPHUS_PUBLIC_CHANNELS: 'news:*',
      SISYPHUS_BACKLOG_LENGTH: `${LENGTH}`,
    });

  beforeEach(async () => {
    redis = await startRedis();
    gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => start()));
    for (const { url } of gateways) await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, 10_000);
    const portOf = (): number => gateways[Math.floor(Math.random() * gateways.length)]!.port;
    clients = await Promise.all(Array.from({ length: CLIENTS }, () => CutClient.start(CHANNELS, portOf)));
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.stop()));
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
  });

  /** Publishes steadily, a fifth of it on one channel. @returns the texts of each channel, in the order of the calls */
  async function publish(): Promise<Map<string, string[]>> {
    const sent = new Map(CHANNELS.map((channel) => [channel, [] as string[]]));
    const { plain, fcall } = publishers(redis.client(), gateways[0]!.url);
    // A client that has nothing yet is given what is kept, so each has a first message before the load begins.
    for (const channel of CHANNELS) {
      sent.get(channel)!.push('first');
      await fcall(channel, 'first');
    }
    await eventually(() => clients.every(({ client }) => [...client.seen.values()].every((seen) => seen > 0)), 20_000);
    const receipts: Promise<unknown>[] = [];
    const began = performance.now();
    for (let number = 0; number < SECONDS * RATE; number++) {
      await wait(Math.max(0, began + (number * 1000) / RATE - performance.now()));
      const channel = CHANNELS[number % 5 === 0 ? 0 : number % CHANNELS.length]!;
      sent.get(channel)!.push(`${channel} ${number}`);
      // A channel has one way: a plain PUBLISH and a call that follows it may be recorded in either order.
      const way = Number(channel.slice(5)) % 2 === 0 ? fcall : plain;
      receipts.push(way(channel, `${channel} ${number}`));
    }
    await Promise.all(receipts);
    return sent;
  }

  /** Lets the clients catch up, and judges what each of them got. */
  async function judge(sent: Map<string, string[]>): Promise<void> {
    for (const client of clients) client.isCutting = false;
    const last = (channel: string): number => sent.get(channel)!.length;
    await eventually(
      () => clients.every(({ client }) => CHANNELS.every((channel) => client.seen.get(channel) === last(channel))),
      20_000,
    );
    for (const { client } of clients) {
      expect(client.faults).to.deep.equal([]);
      for (const channel of CHANNELS) {
        const gaps = client.gaps.filter((gap) => gap.channel === channel);
        for (const { from, to } of gaps)
          expect(to - from + 2 + MEANWHILE, `reset of ${channel} from ${from} to ${to}`).to.be.above(LENGTH);
        const expected = sent
          .get(channel)!
          .filter((_, i) => !gaps.some(({ from, to }) => i + 1 >= from && i + 1 <= to));
        expect(client.payloads.get(channel)).to.deep.equal(expected);
      }
    }
    const sum = (of: (client: CutClient) => number): number => clients.reduce((total, one) => total + of(one), 0);
    const cuts = sum((client) => client.cuts);
    if (process.env.RT_SECONDS) {
      const [polls, failures] = [sum(({ client }) => client.polls), sum((client) => client.failures)];
      const resets = sum(({ client }) => client.gaps.length);
      console.log(`${polls} polls answered, ${cuts} cut, ${failures} failed, ${resets} resets`);
    }
    expect(cuts).to.be.above((CLIENTS * SECONDS) / 2);
  }

  it('get every message once and in order, or reset where the backlog is too short', async () => {
    await judge(await publish());
  });

  it('also while a gateway is killed every 3 s', async () => {
    const kills = setInterval(() => {
      const victim = Math.floor(Math.random() * GATEWAYS);
      const { port } = gateways[victim]!;
      gateways[victim]!.kill('SIGKILL');
      void gateways[victim]!.exited.then(async () => {
        gateways[victim] = await start(`${port}`);
      });
    }, BETWEEN_KILLS);
    const sent = await publish();
    clearInterval(kills);
    await eventually(async () => {
      for (const { url } of gateways) if ((await fetch(`${url}/readyz`)).status !== 200) return false;
      return true;
    }, 10_000);
    await judge(sent);
  });
});
