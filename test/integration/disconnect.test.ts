import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Application } from '../support/application.ts';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { exchange, openOk, openStream, type RawStream } from '../support/raw-stream.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const KEY = 'sisyphus:{0}';

/** The last frame of a stream that has to end within the time. */
async function endOf(stream: RawStream, within = 1000): Promise<RawStream['frames'][number]> {
  await stream.ended(within);
  return stream.frames.at(-1)!;
}

async function expectRevoked(stream: RawStream, within?: number): Promise<void> {
  const last = await endOf(stream, within);
  expect(last).to.include({ data: '<message><status>failure</status></message>' });
  expect(last.comments).to.deep.equal(['revoked']);
  expect(last.retry).to.be.within(30_000, 60_000);
}

function post(gateway: Gateway, body: unknown, secret = PUBLISH_SECRET): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` };
  return fetch(`${gateway.url}/disconnect`, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe('a user who is disconnected', function () {
  this.timeout(60_000);
  let world: World;
  let workers: Gateway;
  let remote: Gateway;
  /** Between the remote gateway and Redis. */
  let relay: Relay;

  before(async () => {
    world = await startWorld({ SISYPHUS_MAX_BUFFER: '8MB', SISYPHUS_MAX_STREAMS_PER_USER: '50' });
    relay = await startRelay({ targetPort: world.redis.port });
    [workers, remote] = await Promise.all([
      startGateway({ REDIS_URL: world.redis.url, SISYPHUS_WORKERS: '2' }),
      startGateway({ REDIS_URL: `redis://127.0.0.1:${relay.port}` }),
    ]);
  });

  after(async () => {
    await Promise.all([workers?.stop(), remote?.stop()]);
    await relay?.stop();
    await world?.stop();
  });

  afterEach(() => world.closeStreams());

  const fcall = (user: string): Promise<unknown> =>
    world.client.call('FCALL', 'sisyphus_disconnect', '1', KEY, user) as Promise<unknown>;
  const open = ({ port }: Gateway, user: string, query = ''): RawStream =>
    world.open({ port, path: `/?user=${user}${query}` });

  function cut(): void {
    relay.refusing = true;
    for (const link of [...relay.links]) link.cut();
  }

  it('loses every stream within a second, on every gateway and worker, and nobody else does', async () => {
    const ports = [world.gateway, remote, workers, workers, workers, workers];
    const others = await Promise.all(ports.map((gateway) => open(gateway, '70').ok()));
    const env = { SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    const ways: (() => Promise<unknown>)[] = [
      () => fcall('7'),
      async () => expect((await post(world.gateway, { user: 7 })).status).to.equal(200),
      () => runCommand(['disconnect', '7'], { env: { REDIS_URL: world.redis.url } }),
      () => runCommand(['disconnect', '7'], { env: { ...env, SISYPHUS_URL: world.gateway.url } }),
    ];
    for (const way of ways) {
      const streams = await Promise.all([...ports, ...ports].map((gateway) => open(gateway, '7').ok()));
      await way();
      await Promise.all(streams.map((stream) => expectRevoked(stream)));
    }
    await wait(100);
    expect(others.map(({ closed }) => closed)).to.deep.equal(others.map(() => false));
    const line = await remote.waitForLog(({ event }) => event === 'disconnected');
    expect(line).to.include({ user: '7', streams: 2 });
  });

  it('says why to a client that reads JSON', async () => {
    const stream = await open(remote, '8', '&format=json').ok();
    await fcall('8');
    expect(JSON.parse((await endOf(stream)).data!)).to.deep.equal({ status: 'failure', reason: 'revoked' });
  });

  it('comes back with what was missed, once it may', async () => {
    await world.allow('9', 'room:9');
    const stream = await open(world.gateway, '9').ok();
    await world.publish.fcall('room:9', 'a');
    await fcall('9');
    const { id } = await endOf(stream);
    await world.publish.fcall('room:9', 'b');
    const back = await world.openOk({ path: '/?user=9', headers: { 'Last-Event-ID': id! } });
    await eventually(() => back.messages.length === 1);
    await wait(50);
    expect([...stream.messages, ...back.messages].map(({ data }) => data)).to.deep.equal(['a', 'b']);
  });

  it('loses also the stream of a client that has stopped reading, in the middle of a replay', async () => {
    await world.allow('10', 'room:10');
    for (let i = 0; i < 60; i++) await world.publish.fcall('room:10', 'x'.repeat(250_000));
    const stream = open(world.gateway, '10', '&overlap=60');
    await stream.until(({ bytes }) => bytes.length > 0);
    stream.pause();
    await wait(200);
    const before = world.gateway.logs.length;
    const watch = world.stopwatch();
    await fcall('10');
    await world.gateway.waitForLog((line) => line.event === 'stream_closed' && line.user === '10', 5000);
    expect(watch.elapsed).to.be.below(1600);
    expect(world.gateway.logs.slice(before).find(({ event }) => event === 'stream_closed')).to.include({
      reason: 'revoked',
    });
  });

  it('loses the streams of a gateway that was cut off as soon as it can read again; a later stream stays', async () => {
    const stream = await open(remote, '11').ok();
    cut();
    const early = open(remote, '11');
    await wait(50);
    await fcall('11');
    await wait(100);
    const late = open(remote, '11');
    await wait(100);
    expect(stream.closed).to.equal(false);
    relay.refusing = false;
    await Promise.all([expectRevoked(stream, 2000), expectRevoked(early, 2000)]);
    await late.ok();
    await wait(1500);
    expect(late.closed).to.equal(false);
  });

  it('loses them also if Redis has lost its memory in between: another gateway still knows', async () => {
    const [stream, here] = await Promise.all([open(remote, '16').ok(), open(world.gateway, '16').ok()]);
    cut();
    await fcall('16');
    await expectRevoked(here);
    await world.client.flushall();
    await wait(100);
    const late = open(remote, '16');
    await wait(100);
    relay.refusing = false;
    await expectRevoked(stream, 3000);
    await late.ok();
    await wait(1000);
    expect(late.closed).to.equal(false);
  });

  it('loses the streams of a gateway whose connection is silent, and not only once it is open again', async () => {
    const stream = await open(remote, '12').ok();
    for (const link of relay.links) link.down.hold();
    await fcall('12');
    await wait(300);
    expect(stream.closed).to.equal(false);
    for (const link of relay.links) link.down.pass();
    await expectRevoked(stream);
  });

  it('gets nothing that was published behind the disconnect, and the others get all of it', async () => {
    await world.allow('16', 'room:16');
    await world.allow('17', 'room:16');
    // Nobody sees when a poll has begun to listen, so it comes with a position.
    const since = await world.client.call('FCALL', 'sisyphus_position', '1', KEY);
    const revoked = [
      open(world.gateway, '16'),
      open(world.gateway, '16', '&c=room:16'),
      open(world.gateway, '16', `&poll&since=${since}`),
    ];
    const other = await open(world.gateway, '17').ok();
    await Promise.all(revoked.slice(0, 2).map((stream) => stream.ok()));
    await eventually(async () => (await world.gateway.status()).streams === 4);
    // The poll says nothing until it ends.
    await wait(200);
    const call = ['FCALL', 'sisyphus_publish', '1', KEY, 'room:16'] as const;
    await world.client
      .multi()
      .call(...call, 'before')
      .call('FCALL', 'sisyphus_disconnect', '1', KEY, '16')
      .call(...call, 'behind')
      .call(...call, 'last')
      .exec();
    await other.frame(({ data }) => data === 'last');
    expect(other.messages.map(({ data }) => data)).to.deep.equal(['before', 'behind', 'last']);
    for (const stream of revoked) {
      await stream.ended(1000);
      expect(stream.messages.map(({ data }) => data)).to.deep.equal(['before']);
    }
  });

  it('may come back at once', async () => {
    for (let i = 0; i < 5; i++) {
      const watch = new Stopwatch(() => ({ redis: world.redis.pid, gateways: [remote.pid] }));
      await fcall('13');
      // The gateway knows the clock of Redis as well as Redis has answered it so far, and keeps out, or ends, who may have begun before.
      await watch.within(200, async () => {
        const stream = await open(remote, '13').ok();
        await wait(20);
        return !stream.closed;
      });
    }
  });

  it('cannot be disconnected by a message that somebody else has published', async () => {
    const stream = await open(remote, '14').ok();
    for (const text of ['9999999999999999', '9999999999999999 14', 'user 14', '', '1', '2 14 14', '3 *'])
      await world.client.publish('sisyphus{0}/@disconnect', text);
    await world.publish.fcall('user:14', 'still here');
    await stream.frame(({ data }) => data === 'still here');
    await wait(300);
    expect(stream.closed).to.equal(false);
    await fcall('14');
    await expectRevoked(stream);
  });

  it('is named by an id, and only a publisher may do it', async () => {
    const { length } = (await world.client.zrange(`${KEY}:disconnects`, '0', '-1')) as string[];
    for (const user of ['*', '1:channels', '../', 'a b', '', null, ['7'], undefined]) {
      const answer = await post(world.gateway, { user });
      expect([answer.status, ((await answer.json()) as { error: string }).error]).to.deep.equal([400, 'bad_user']);
    }
    expect((await post(world.gateway, { user: '7' }, 'wrong')).status).to.equal(401);
    expect((await post(world.gateway, { user: '7', token: 'x' })).status).to.equal(400);
    expect((await post(workers, { user: '7' })).status).to.equal(403);
    expect(await runCommand(['disconnect', '*'], { env: { REDIS_URL: world.redis.url } })).to.include({ code: 2 });
    expect(((await world.client.zrange(`${KEY}:disconnects`, '0', '-1')) as string[]).length).to.equal(length);
    const proto = await open(world.gateway, '__proto__').ok();
    await fcall('__proto__');
    await expectRevoked(proto);
  });

  it('stays while Redis takes no writes, and the publisher is told so', async () => {
    const stream = await open(world.gateway, '15').ok();
    await world.client.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
    const answer = await post(world.gateway, { user: '15' });
    await world.client.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.include({ error: 'redis_refused' });
    expect(stream.closed).to.equal(false);
    expect((await post(world.gateway, { user: '15' })).status).to.equal(200);
    await expectRevoked(stream);
  });
});

describe('a user who is disconnected while the application says who is who', function () {
  this.timeout(30_000);
  let application: Application;
  let world: World;
  let other: Gateway;

  before(async () => {
    application = new Application();
    const env = { SISYPHUS_AUTH: 'forward', SISYPHUS_FORWARD_URL: await application.start() };
    world = await startWorld(env);
    other = await startGateway({ ...env, REDIS_URL: world.redis.url });
  });

  after(async () => {
    await other?.stop();
    application.stop();
    await world?.stop();
  });

  const headers = { Cookie: 'session=1' };

  it('is asked about again, also on a gateway on which the user has no stream', async () => {
    application.says('7');
    const stream = await world.openOk({ headers });
    (await openOk({ port: other.port, path: '/', headers })).close();
    await eventually(async () => (await other.status()).streams === 0);
    application.answer = (_request, response) => response.writeHead(401).end();
    expect((await post(world.gateway, { user: '7' })).status).to.equal(200);
    await expectRevoked(stream);
    for (const { port } of [world.gateway, other]) {
      const [frame] = (await exchange({ port, path: '/', headers })).frames;
      expect(frame!.comments).to.deep.equal(['refused']);
    }
  });

  it('gets no stream if the application was asked before', async () => {
    application.answer = (_request, response) => {
      setTimeout(() => response.writeHead(204, { 'X-Sisyphus-User': '8' }).end(), 400);
    };
    const asked = application.requests.length;
    const streams = [world.gateway, other].map(({ port }) => openStream({ port, path: '/', headers }));
    await eventually(() => application.requests.length === asked + 2);
    expect((await post(world.gateway, { user: '8' })).status).to.equal(200);
    // These share the answer to a question that was asked before the disconnect.
    for (const { port } of [world.gateway, other]) streams.push(openStream({ port, path: '/', headers }));
    for (const stream of streams) await expectRevoked(stream, 2000);
    const fresh = await world.openOk({ headers });
    await wait(100);
    expect(fresh.closed).to.equal(false);
  });
});
