import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { askRt } from '../support/rt.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const PROTOCOL = { SISYPHUS_PROTOCOLS: 'rt', SISYPHUS_PUBLIC_CHANNELS: 'news:*', SISYPHUS_REDIS_GRACE: '3s' };

describe('a long poll, when something is away', function () {
  this.timeout(60_000);
  let world: World;
  const gateways: Gateway[] = [];
  const relays: Relay[] = [];

  beforeEach(async () => {
    world = await startWorld(PROTOCOL);
  });

  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
    await world.stop();
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  });

  async function another(env: Record<string, string>): Promise<Gateway> {
    const gateway = await startGateway({ REDIS_URL: world.redis.url, ...env });
    gateways.push(gateway);
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000);
    return gateway;
  }

  /** A poll that waits; begun means that the gateway counts it. */
  async function begin(query: string, gateway = world.gateway): Promise<Promise<Response>[]> {
    const before = (await gateway.status()).streams;
    const asked = fetch(`${gateway.url}/rt?${query}`);
    await eventually(async () => (await gateway.status()).streams > before);
    return [asked];
  }

  it('is not found where the protocol is not named', async () => {
    const gateway = await another({ SISYPHUS_PUBLIC_CHANNELS: 'news:*' });
    for (const path of ['/rt?c=news:1', '/rt/sync?c=news:1'])
      expect((await fetch(`${gateway.url}${path}`)).status).to.equal(404);
    expect((await fetch(`${gateway.url}/rt`, { method: 'POST' })).status).to.equal(404);
  });

  it('waits, and says no reset, if another gateway has received a message sooner', async () => {
    let delay = 0;
    const relay = await startRelay({ targetPort: world.redis.port, onLink: ({ down }) => down.delay(delay) });
    relays.push(relay);
    delay = 250;
    const late = await another({ ...PROTOCOL, REDIS_URL: `redis://127.0.0.1:${relay.port}` });
    const { revision } = await world.publish.fcall('news:1', 'a');
    expect((await askRt(late.url, 'c=news:1'))['news:1']!.msg).to.have.length(1);
    await world.publish.fcall('news:1', 'b');
    const seen = (await askRt(world.gateway.url, `c=news:1&m=${revision}`))['news:1']!.msg[0]!.id;
    const [asked] = await begin(`c=news:1&m=${seen}`, late);
    await wait(1000);
    await world.publish.fcall('news:1', 'c');
    expect(await (await asked!).json()).to.deep.equal({
      'news:1': { status: 'ok', msg: [{ id: seen + 1, payload: 'c' }] },
    });
  });

  it('is answered 503 within 2 s while Redis does not answer, whatever the gateway knows, and goes on after it', async () => {
    await world.publish.fcall('news:1', 'a');
    await askRt(world.gateway.url, 'c=news:1');
    const [waiting] = await begin('c=news:1&m=1');
    for (const [how, seen] of [
      ['SIGSTOP', 1],
      ['SIGKILL', 2],
    ] as const) {
      world.redis.kill(how);
      for (const query of [`c=news:1&m=${seen}`, `c=news:new${how}`]) {
        const watch = world.stopwatch();
        const response = await fetch(`${world.gateway.url}/rt?${query}`);
        expect(watch.elapsed, query).to.be.below(2500);
        expect(response.status, query).to.equal(503);
        expect(await response.json()).to.have.property('error', 'redis_unavailable');
        expect(response.headers.get('retry-after')).to.equal('2');
      }
      if (how === 'SIGSTOP') {
        // One that waited from before is told at the end of the grace.
        expect((await waiting!).status).to.equal(503);
        world.redis.kill('SIGCONT');
        await eventually(async () => (await fetch(`${world.gateway.url}/readyz`)).status === 200, 10_000);
        const [asked] = await begin('c=news:1&m=1');
        await world.publish.fcall('news:1', 'b');
        expect(await (await asked!).json()).to.deep.equal({
          'news:1': { status: 'ok', msg: [{ id: 2, payload: 'b' }] },
        });
      }
    }
  });

  it('is reset when Redis has lost its memory, also if it waits at that moment', async () => {
    for (const text of ['a', 'b', 'c']) await world.publish.fcall('news:1', text);
    const [asked] = await begin('c=news:1&m=3');
    await world.client.flushall();
    const { 'news:1': told } = (await (await asked!).json()) as Record<string, { status: string; msg: unknown[] }>;
    expect(told).to.deep.equal({ status: 'reset', msg: [{ id: 0 }] });
    await eventually(async () => (await fetch(`${world.gateway.url}/readyz`)).status === 200, 10_000);
    await world.publish.fcall('news:1', 'new');
    expect(await askRt(world.gateway.url, 'c=news:1&m=3')).to.deep.equal({
      'news:1': { status: 'reset', msg: [{ id: 1, payload: 'new' }] },
    });
  });

  it('is reset with the next message, if plain messages were lost while no gateway ran', async () => {
    await world.publish.fcall('news:1', 'a');
    await world.publish.fcall('news:2', 'a');
    world.gateway.kill('SIGTERM');
    await world.gateway.exited;
    await world.publish.plain('news:1', 'lost');
    const gateway = await another(PROTOCOL);
    // The gap alone is told to nobody who has the newest message: it would be told for ever.
    const [asked] = await begin('c=news:1&m=1', gateway);
    await world.publish.fcall('news:1', 'b');
    expect(await (await asked!).json()).to.deep.equal({
      'news:1': { status: 'reset', msg: [{ id: 2, payload: 'b' }] },
    });
    await world.publish.fcall('news:1', 'c');
    expect(await askRt(gateway.url, 'c=news:1&m=2')).to.deep.equal({
      'news:1': { status: 'ok', msg: [{ id: 3, payload: 'c' }] },
    });
    expect((await askRt(gateway.url, 'c=news:1&m=1'))['news:1']!.status).to.equal('reset');
    expect((await askRt(gateway.url, 'c=news:1'))['news:1']!.status).to.equal('ok');
  });

  it('is answered by {} when its gateway is stopped', async () => {
    const gateway = await another(PROTOCOL);
    const [asked] = await begin('c=news:1', gateway);
    gateway.kill('SIGTERM');
    const response = await asked!;
    expect([response.status, await response.text()]).to.deep.equal([200, '{}']);
    expect(response.headers.get('connection')).to.equal('close');
  });
});
