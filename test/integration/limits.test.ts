import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { exchange, type RawRequest, type RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const run = promisify(execFile);

/** What a refused stream says: status, word, limit. */
async function refusal(stream: RawStream): Promise<{ says: string[]; retry: number }> {
  await stream.ended();
  const { data = '', comments, retry = 0 } = stream.frames.at(-1)!;
  return { says: [data.replace(/<.*?>/g, ''), ...comments], retry };
}

async function limitsOf(world: World): Promise<Record<string, number>> {
  return ((await world.gateway.status()).counters as { limits: Record<string, number> }).limits;
}

function post(world: World, from: string, secret: string): Promise<RawStream> {
  const headers = { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json', Connection: 'close' };
  const body = JSON.stringify({ channel: 'room:1', data: 'x' });
  const request: RawRequest = { port: world.gateway.port, method: 'POST', path: '/publish', headers, body, from };
  return exchange(request);
}

describe('the limits of an address', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({
      SISYPHUS_MAX_STREAMS_PER_ADDRESS: '3',
      SISYPHUS_MAX_FAILURES: '3',
      SISYPHUS_TRUSTED_PROXIES: '127.0.0.1',
    });
  });

  after(() => world.stop());

  afterEach(async () => {
    world.closeStreams();
    await eventually(async () => (await world.gateway.status()).streams === 0);
  });

  const FULL = ['error', 'capacity', 'SISYPHUS_MAX_STREAMS_PER_ADDRESS'];
  const CLOSED = ['error', 'capacity', 'SISYPHUS_MAX_FAILURES'];

  /** A stream of a client of its own behind the trusted proxy. */
  const behind = (address: string): { headers: Record<string, string> } => ({
    headers: { 'X-Forwarded-For': address },
  });

  it('turn away its next stream and nobody else, and take one when there is room', async () => {
    const from = '127.0.0.2';
    const [first] = await Promise.all([1, 2, 3].map((user) => world.openOk({ path: `/?user=${user}`, from })));
    const { says, retry } = await refusal(world.open({ path: '/?user=4', from }));
    expect(says).to.deep.equal(FULL);
    expect(retry).to.be.within(30_000, 60_000);
    const spoofed = { from, ...behind('203.0.113.9') };
    expect((await refusal(world.open({ path: '/?user=5', ...spoofed }))).says).to.deep.equal(FULL);
    await world.openOk({ path: '/?user=6', from: '127.0.0.3' });
    first!.close();
    await eventually(async () => (await world.gateway.status()).streams === 3);
    await world.openOk({ path: '/?user=7', from });
    expect(await limitsOf(world)).to.deep.equal({ SISYPHUS_MAX_STREAMS_PER_ADDRESS: 2 });
    const line = await world.gateway.waitForLog(({ event }) => event === 'stream_refused');
    expect([line.reason, line.limit]).to.deep.equal(FULL.slice(1));
  });

  it('count the clients of a trusted proxy each by its own, also where they say more', async () => {
    for (const address of ['203.0.113.1', '203.0.113.2']) {
      for (let i = 0; i < 3; i++)
        await world.openOk({ path: `/?user=${address}`, ...behind(`10.9.9.${i}, ${address}`) });
    }
    const one = await refusal(world.open({ path: '/?user=9', ...behind('127.0.0.1, 203.0.113.1') }));
    expect(one.says).to.deep.equal(FULL);
  });

  it('count a network of IPv6 as one client', async () => {
    for (let i = 1; i <= 3; i++) await world.openOk({ path: `/?user=${i}`, ...behind(`2001:db8:1:1::${i}`) });
    const same = await refusal(world.open({ ...behind('[2001:db8:1:1:ffff::9]:4711') }));
    expect(same.says).to.deep.equal(FULL);
    await world.openOk({ ...behind('2001:db8:1:2::1') });
  });

  it('are reached by bad credentials: then neither streams nor publishers from there are looked at', async () => {
    const from = '127.0.0.4';
    for (let i = 0; i < 5; i++) await refusal(world.open({ path: '/', from }));
    for (let i = 0; i < 3; i++) {
      const bad = await refusal(world.open({ path: `/?user=a:${i}`, from }));
      expect(bad.says).to.deep.equal(['failure', 'malformed']);
    }
    const { says, retry } = await refusal(world.open({ from }));
    expect(says).to.deep.equal(CLOSED);
    expect(retry).to.be.within(30_000, 60_000);
    const publisher = await post(world, from, PUBLISH_SECRET);
    expect([publisher.status, JSON.parse(publisher.bytes.toString()).error]).to.deep.equal([429, 'too_many_requests']);
    expect(Number(publisher.header('retry-after'))).to.be.within(50, 60);
    await world.openOk({ from: '127.0.0.5' });
    expect((await post(world, '127.0.0.5', PUBLISH_SECRET)).status).to.equal(200);
  });

  it('are reached by wrong publishing secrets, too', async () => {
    const from = '127.0.0.6';
    for (let i = 0; i < 3; i++) expect((await post(world, from, `guess-${i}`)).status).to.equal(401);
    expect((await post(world, from, PUBLISH_SECRET)).status).to.equal(429);
    expect((await refusal(world.open({ from }))).says).to.deep.equal(CLOSED);
    expect((await limitsOf(world)).SISYPHUS_MAX_FAILURES).to.be.above(1);
  });

  it('are reached by publishing secrets that are guessed at a history', async () => {
    const read = (secret: string, from: string): Promise<RawStream> =>
      exchange({
        port: world.gateway.port,
        path: '/channels/room:1/messages?user=8',
        headers: { Authorization: `Bearer ${secret}`, Connection: 'close' },
        from,
      });
    for (let i = 0; i < 3; i++) expect((await read(`guess-${i}`, '127.0.0.7')).status).to.equal(403);
    const right = await read(PUBLISH_SECRET, '127.0.0.7');
    expect(right.status).to.equal(429);
    expect(Number(right.header('retry-after'))).to.be.within(50, 60);
    expect((await read(PUBLISH_SECRET, '127.0.0.8')).status).to.equal(200);
  });
});

describe('the limits of all clients, and of a user', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_MAX_OPENS: '5', SISYPHUS_MAX_PUBLISHES: '3', SISYPHUS_MAX_CHANNELS: '3' });
  });

  after(() => world.stop());

  afterEach(() => world.closeStreams());

  /** Until the second of the last streams is over. */
  const nextSecond = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1050));

  it('spread a storm: who is too many for this second comes back later, and is let in then', async () => {
    const storm = Array.from({ length: 20 }, (_, user) => world.open({ path: `/?user=${user}` }));
    await eventually(() => storm.every(({ frames }) => frames.length > 0));
    const refused = storm.filter(({ frames }) => frames[0]!.comments.length > 0);
    // The storm may come at the turn of a second.
    expect(storm.length - refused.length).to.be.within(5, 10);
    for (const { frames } of refused) {
      expect(frames[0]!.comments).to.deep.equal(['capacity', 'SISYPHUS_MAX_OPENS']);
      expect(frames[0]!.data).to.contain('error');
      expect(frames[0]!.retry).to.be.within(15_000, 30_000);
    }
    expect((await limitsOf(world)).SISYPHUS_MAX_OPENS).to.equal(refused.length);
    await nextSecond();
    await world.openOk();
  });

  it('answer 429 to a publisher that sends too much, and take its next requests a second later', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(world, '127.0.0.1', PUBLISH_SECRET)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).to.have.length.within(3, 6);
    expect(refused.length).to.be.at.least(2);
    expect(refused[0]!.header('retry-after')).to.equal('1');
    expect(JSON.parse(refused[0]!.bytes.toString()).message).to.match(/SISYPHUS_MAX_PUBLISHES.*expected/);
    await world.gateway.waitForLog(({ code }) => code === 'too_many_requests');
    await nextSecond();
    const lines = world.gateway.logs.filter(({ code }) => code === 'too_many_requests');
    expect(lines, 'one line for all of them').to.have.length(1);
    expect((await post(world, '127.0.0.1', PUBLISH_SECRET)).status).to.equal(200);
  });

  const TOO_LONG = ['error', 'capacity', 'SISYPHUS_MAX_CHANNELS'];

  it('refuse who has too many channels, and name the user in the log', async () => {
    await nextSecond();
    await world.allow('long', 'room:1', 'room:2', 'room:3', 'room:4');
    const { says, retry } = await refusal(world.open({ path: '/?user=long' }));
    expect(says).to.deep.equal(TOO_LONG);
    expect(retry).to.be.within(30_000, 60_000);
    const line = await world.gateway.waitForLog(({ event }) => event === 'list_too_long');
    expect(line).to.include({ user: 'long', channels: 4, limit: 'SISYPHUS_MAX_CHANNELS' });
    await world.allow('just', 'user:just', 'room:1', 'room:2', 'room:3');
    await world.openOk({ path: '/?user=just' });
  });

  for (const [way, grow] of [
    [
      'by a plain change',
      async () => {
        await world.allow('grows', 'room:4');
        await world.publish.plain('user:grows', 'changed');
      },
    ],
    ['by a grant', () => world.client.call('FCALL', 'sisyphus_grant', '1', 'sisyphus:{0}', 'grows', 'room:4', 'x')],
  ] as const) {
    it(`end an open stream whose list grows too long ${way}`, async () => {
      await nextSecond();
      await world.client.del('user:grows:channels');
      await world.allow('grows', 'room:1', 'room:2', 'room:3');
      const stream = await world.openOk({ path: '/?user=grows' });
      await grow();
      const { says, retry } = await refusal(stream);
      expect(says).to.deep.equal(TOO_LONG);
      expect(retry).to.be.within(30_000, 60_000);
      await eventually(async () => (await world.gateway.status()).streams === 0);
    });
  }
});

describe('connections that send no request', function () {
  this.timeout(60_000);
  let world: World;
  let crowd: RawSocket[];

  beforeEach(async () => {
    crowd = [];
    world = await startWorld();
    await world.allow('1', 'room:1');
  });

  afterEach(async () => {
    for (const socket of crowd) socket.close();
    await world.stop();
  });

  const HALF = 'GET /?user=1 HTTP/1.1\r\nHost: a\r\n';
  const HALVES = ['', 'GE', HALF, 'POST /publish HTTP/1.1\r\nHost: a\r\nX: '];
  /** After a whole one, so that Node has seen the connection being used. */
  const BEHIND = [`GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n${HALF}`];

  function come(count: number, texts = HALVES): void {
    for (let i = 0; i < count; i++) crowd.push(new RawSocket(world.gateway.port).send(texts[i % texts.length]!));
  }

  const gone = (): RawSocket[] => crowd.filter(({ ended, closed }) => ended || closed);

  async function works(text: string): Promise<void> {
    const stream = await world.openOk();
    await world.publish.http('room:1', text);
    await stream.frame(({ data }) => data === text);
    stream.close();
  }

  it('stop nobody else, and have their time while they are some thousands', async () => {
    come(2500);
    await works('meanwhile');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(gone()).to.have.length(0);
    await works('afterwards');
    expect((await world.gateway.status()).counters).to.include({ dropped: 0 });
  });

  for (const [what, texts] of [
    ['the first', HALVES],
    ['a second', BEHIND],
  ] as const) {
    it(`make room at once where few files are left, whether ${what} request is missing`, async () => {
      await run('prlimit', ['--pid', String(world.gateway.pid), '--nofile=300:300']);
      await new Promise((resolve) => setTimeout(resolve, 150));
      come(600, texts);
      await eventually(() => gone().length > 0);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const attempts = await eventually(async () => {
        const stream = world.open();
        await stream.until(({ closed, frames }) => closed || frames.length > 0).catch(() => undefined);
        return stream.frames[0]?.data?.includes('ok');
      }, 2000);
      expect(attempts).to.equal(true);
      // The rest of the crowd, which waited to be accepted, has its second, too.
      await eventually(() => works('again').then(() => true), 3000);
    });
  }
});
