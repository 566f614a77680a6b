import { expect } from 'chai';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { exchange } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

describe('addresses of clients in the log', function () {
  this.timeout(30_000);
  let world: World;

  /** A gateway behind the proxy 127.0.0.1, that has refused one request of each kind. */
  async function refuseSome(env: Record<string, string> = {}): Promise<Record<string, unknown>> {
    world = await startWorld({ SISYPHUS_TRUSTED_PROXIES: '127.0.0.1', SISYPHUS_PROTOCOLS: 'rt', ...env });
    const { gateway } = world;
    const headers = { 'X-Forwarded-For': '10.1.1.1, 203.0.113.9' };
    const guess = {
      ...headers,
      Authorization: 'Bearer wrong',
      'Content-Type': 'application/json',
      Connection: 'close',
    };
    await world.open({ path: '/?user=a:b', headers }).ended();
    await exchange({ port: gateway.port, method: 'POST', path: '/publish', headers: guess, body: '{}' });
    await exchange({
      port: gateway.port,
      path: '/rt?user=a:b&room:1=0',
      headers: { 'X-Forwarded-For': '2001:db8::9' },
    });
    new RawSocket(gateway.port).send('NONSENSE\r\n\r\n');
    await gateway.waitForLog(({ event }) => event === 'request_unreadable');
    const stream = await gateway.waitForLog(({ event }) => event === 'stream_refused');
    const unreadable = await gateway.waitForLog(({ event }) => event === 'request_unreadable');
    const publish = await gateway.waitForLog(({ event, path }) => event === 'request_refused' && path === '/publish');
    const poll = await gateway.waitForLog(({ event, path }) => event === 'request_refused' && path === '/rt');
    const lines = { stream, unreadable, publish, poll };
    return Object.fromEntries(Object.entries(lines).map(([name, line]) => [name, line.address]));
  }

  afterEach(() => world.stop());

  it('are those of the clients behind trusted proxies, and of IPv6 the network; a request that cannot be read has its connection’s', async () => {
    expect(await refuseSome()).to.deep.equal({
      stream: '203.0.113.9',
      publish: '203.0.113.9',
      poll: '2001:db8:0:0::/64',
      unreadable: '127.0.0.1',
    });
    expect(JSON.stringify(world.gateway.logs)).not.to.contain('10.1.1.1').and.not.to.contain(PUBLISH_SECRET);
  });

  it('are in no line with SISYPHUS_LOG_ADDRESSES=off', async () => {
    const found = await refuseSome({ SISYPHUS_LOG_ADDRESSES: 'off' });
    expect(Object.values(found)).to.deep.equal([undefined, undefined, undefined, undefined]);
    expect(JSON.stringify(world.gateway.logs)).not.to.match(/203\.0\.113\.9|2001:db8/);
  });
});
