import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const LIMIT = 4;
const KEYS = 'sisyphus:{0}:streams:*';

describe('the limit of streams per user, over all gateways', function () {
  this.timeout(40_000);
  let redis: RedisServer;
  let client: Redis;
  let gateways: Gateway[];
  let streams: RawStream[];

  before(async () => {
    redis = await startRedis();
    client = redis.client();
  });
  beforeEach(async () => {
    gateways = [];
    streams = [];
    await client.flushall();
  });
  afterEach(async () => {
    for (const stream of streams) stream.close();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
  });
  after(() => redis.stop());

  async function start(env: Record<string, string> = {}): Promise<Gateway> {
    const limit = { SISYPHUS_MAX_STREAMS_PER_USER: String(LIMIT) };
    const gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_DRAIN: '0s', ...limit, ...env });
    gateways.push(gateway);
    return gateway;
  }

  const startTwo = () => Promise.all([start(), start()]);

  function open({ port }: Gateway, user = '1'): RawStream {
    const stream = openStream({ port, path: `/?user=${user}` });
    streams.push(stream);
    return stream;
  }

  async function opened(gateway: Gateway, times: number, user?: string): Promise<RawStream[]> {
    return Promise.all(Array.from({ length: times }, () => open(gateway, user).ok()));
  }

  /** Whether the stream begins; the other possibility is a refusal for the limit. */
  async function isAdmitted(stream: RawStream): Promise<boolean> {
    const first = await stream.until(({ frames }) => frames[0]);
    if (first.data?.includes('ok')) return true;
    expect(first.comments).to.deep.equal(['capacity', 'SISYPHUS_MAX_STREAMS_PER_USER']);
    expect(Number(first.retry)).to.be.within(30_000, 60_000);
    await stream.ended();
    return false;
  }

  /** The streams of the user that Redis counts. */
  async function counted(user = '1'): Promise<number> {
    const keys = await client.keys(KEYS);
    const counts = await Promise.all(keys.map((key) => client.hget(key, user)));
    return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
  }

  it('counts the streams at both of two gateways', async () => {
    const [one, other] = await startTwo();
    await opened(one, 2);
    await opened(other, 2);
    expect(await isAdmitted(open(one))).to.equal(false);
    expect(await isAdmitted(open(other))).to.equal(false);
    expect(await isAdmitted(open(other, '2'))).to.equal(true);
  });

  it('lets exactly one in of two streams that want the last place at the same moment', async () => {
    const [one, other] = await startTwo();
    await opened(one, 2);
    await opened(other, 1);
    for (let round = 0; round < 5; round++) {
      const both = [open(one), open(other)];
      const admitted = await Promise.all(both.map(isAdmitted));
      expect(admitted.filter(Boolean)).to.have.length(1);
      both[admitted.indexOf(true)]!.close();
    }
  });

  it('lets in exactly as many as may come if many come to both at once', async () => {
    const [one, other] = await startTwo();
    const admitted = await Promise.all(
      [one, other, one, other, one, other, one, other].map((to) => isAdmitted(open(to))),
    );
    expect(admitted.filter(Boolean)).to.have.length(LIMIT);
  });

  it('never turns away a page that is loaded again at another gateway', async () => {
    const [one, other] = await startTwo();
    await opened(one, 2);
    let [last] = await opened(other, 2);
    for (const to of [one, other, one, other]) {
      // The new stream may even come a moment before the old one has ended.
      const next = open(to);
      last!.close();
      expect(await isAdmitted(next)).to.equal(true);
      last = next;
    }
  });

  it('never turns away a page that is loaded again at the same gateway', async () => {
    const gateway = await start();
    let last: RawStream | undefined = (await opened(gateway, LIMIT))[0];
    for (let round = 0; round < 4; round++) {
      const next = open(gateway);
      await pause(50);
      last!.close();
      await next.ok(300);
      last = next;
    }
  });

  it('does not count a stream that it refused and whose client does not close the connection', async () => {
    const [one, other] = await startTwo();
    const [first] = await opened(one, LIMIT);
    const socket = connect({ port: other.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write('GET /?user=1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket.resume(), 'end');
    first!.close();
    await opened(other, 1);
    await eventually(async () => (await counted()) === LIMIT);
    expect(socket.writable).to.equal(true);
    socket.destroy();
  });

  it('forgets the streams of a gateway that was killed, within seconds', async () => {
    const [one, other] = await startTwo();
    await opened(one, LIMIT);
    await eventually(async () => (await counted()) === LIMIT);
    one.kill('SIGKILL');
    expect(await isAdmitted(open(other))).to.equal(false);
    await eventually(async () => isAdmitted(open(other)), 8000);
    expect(await counted()).to.equal(1);
  });

  it('forgets the streams of a gateway at once that is stopped', async () => {
    const [one, other] = await startTwo();
    await opened(one, LIMIT);
    await one.stop();
    await opened(other, LIMIT);
    await other.stop();
    expect(await client.keys('sisyphus:{0}:streams*')).to.deep.equal([]);
    gateways = [];
  });

  it('counts anew what Redis has forgotten, and turns nobody away meanwhile', async () => {
    const [one, other] = await startTwo();
    const [first] = await opened(one, 2);
    await opened(other, 1);
    await client.flushall();
    await opened(other, 1);
    await eventually(async () => (await counted()) === LIMIT);
    expect(await isAdmitted(open(one))).to.equal(false);
    first!.close();
    await eventually(async () => (await counted()) === LIMIT - 1);
  });

  it('loads the functions again, and counts anew, if they are lost', async () => {
    const [one, other] = await startTwo();
    await opened(one, 2);
    await opened(other, 1);
    await client.call('FUNCTION', 'FLUSH');
    await client.del('sisyphus:{0}:streams');
    await opened(one, 1);
    await eventually(async () => (await counted()) === LIMIT && (await client.hlen('sisyphus:{0}:streams')) === 2);
    expect(await isAdmitted(open(other))).to.equal(false);
  });

  it('counts anew after the connections to Redis were lost', async () => {
    const [one, other] = await startTwo();
    const [first] = await opened(one, 2);
    await opened(other, 2);
    // Wrong for both gateways, so that the count is right only when both have counted anew.
    const keys = await client.keys(KEYS);
    expect(keys).to.have.length(2);
    for (const key of keys) await client.hset(key, '1', 1000);
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    first!.close();
    await eventually(async () => (await counted()) === LIMIT - 1);
    expect(await isAdmitted(open(other))).to.equal(true);
    expect(await isAdmitted(open(one))).to.equal(false);
  });

  it('is one for each gateway while Redis refuses to count', async () => {
    // Every key but those that count streams.
    const others = ['sisyphus:{0}', 'sisyphus:{0}:[^s]*', 'sisyphus:{0}:s[^t]*', 'user:*'].map((key) => `~${key}`);
    await client.acl('SETUSER', 'default', 'resetkeys', ...others);
    try {
      const [one, other] = await startTwo();
      await opened(one, LIMIT);
      await opened(other, LIMIT);
      expect(await isAdmitted(open(one))).to.equal(false);
      await client.acl('SETUSER', 'default', 'allkeys');
      await eventually(async () => (await counted()) === 2 * LIMIT);
      streams[0]!.close();
      expect(await isAdmitted(open(one))).to.equal(false);
    } finally {
      await client.acl('SETUSER', 'default', 'allkeys');
    }
  });

  it('counts the streams of all workers', async () => {
    const gateway = await start({ SISYPHUS_WORKERS: '2' });
    const admitted = await Promise.all(Array.from({ length: 3 * LIMIT }, () => isAdmitted(open(gateway))));
    expect(admitted.filter(Boolean)).to.have.length(LIMIT);
    const [admittedStream] = streams.filter((_, i) => admitted[i]);
    admittedStream!.close();
    expect(await isAdmitted(open(gateway))).to.equal(true);
  });
});
