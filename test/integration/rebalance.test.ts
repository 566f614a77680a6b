import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { ReturningReader } from '../support/returning-reader.ts';
import { eventually } from '../support/wait.ts';

const READERS = 150;
/** Between two messages (ms). */
const PAUSE = 20;

describe('a gateway that is added', function () {
  this.timeout(90_000);
  let redis: RedisServer;
  let gateways: Gateway[];
  let readers: ReturningReader[];

  beforeEach(async () => {
    redis = await startRedis();
    await redis.client().sadd('user:1:channels', 'room:1');
    gateways = [];
    readers = [];
  });

  afterEach(async () => {
    for (const reader of readers) reader.close();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
  });

  async function start(env: Record<string, string> = {}): Promise<Gateway> {
    const limits = { SISYPHUS_MAX_STREAMS_PER_USER: '1000', SISYPHUS_BACKLOG_LENGTH: '10000', SISYPHUS_DRAIN: '0s' };
    const gateway = await startGateway({ REDIS_URL: redis.url, ...limits, ...env });
    gateways.push(gateway);
    return gateway;
  }

  /** Every reader goes to the gateway that came last, as it has the fewest connections. */
  async function read(): Promise<void> {
    const port = (): number => gateways.at(-1)!.port;
    readers = Array.from({ length: READERS }, () => new ReturningReader(port, '/stream?user=1'));
    await eventually(() => readers.every(({ oks }) => oks > 0), 15_000);
  }

  const streamsOf = async (gateway: Gateway): Promise<number> => (await gateway.status()).streams;

  it('gets its share within a minute, nobody loses anything, and then it is quiet', async () => {
    await start();
    await read();
    const published: string[] = [];
    const client = redis.client();
    const timer = setInterval(() => {
      published.push(`message ${published.length}`);
      void client.fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:1', published.at(-1)!);
    }, PAUSE);
    try {
      await start();
      await eventually(async () => (await streamsOf(gateways[1]!)) >= READERS * 0.45, 60_000, 200);
      await pause(3000);
      expect(await streamsOf(gateways[1]!)).to.be.at.most(READERS * 0.6);
    } finally {
      clearInterval(timer);
    }
    await eventually(() => readers.every(({ messages }) => messages.at(-1) === published.at(-1)), 15_000);
    for (const { messages, refusals, errors } of readers) {
      expect(messages).to.deep.equal(published);
      expect({ refusals, errors }).to.deep.equal({ refusals: [], errors: 0 });
    }
    const { counters } = (await gateways[0]!.status()) as unknown as { counters: { closed: { moved: number } } };
    expect(counters.closed.moved).to.be.within(READERS * 0.45, READERS * 0.6);
    expect(Math.max(...readers.map(({ returns }) => returns))).to.equal(1);
  });

  it('gets nobody from a gateway with as many, whose two workers have half of them each', async () => {
    await start({ SISYPHUS_WORKERS: '2' });
    await start();
    let next = 0;
    const port = (): number => gateways[next++ % 2]!.port;
    readers = Array.from({ length: 2 * READERS }, () => new ReturningReader(port, '/stream?user=1'));
    await eventually(() => readers.every(({ oks }) => oks > 0), 15_000);
    await pause(7000);
    expect(await Promise.all(gateways.map(streamsOf))).to.deep.equal([READERS, READERS]);
    expect(Math.max(...readers.map(({ returns }) => returns))).to.equal(0);
  });

  it('gets nobody who is at a gateway that is told not to', async () => {
    await start({ SISYPHUS_REBALANCE: 'off' });
    await read();
    await start();
    await pause(7000);
    expect(await streamsOf(gateways[0]!)).to.equal(READERS);
  });
});
