import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { eventually, within } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

/** One connection, with all that came on it. */
class Connection {
  text = '';
  isEnded = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').setNoDelay(true);
    this.socket.on('data', (chunk) => {
      this.text += String(chunk);
    });
    this.socket
      .on('error', () => undefined)
      .on('end', () => {
        this.isEnded = true;
      });
  }

  ask(query: string, ...headers: string[]): void {
    this.socket.write(`${[`GET /rt?${query} HTTP/1.1`, 'Host: a', ...headers].join('\r\n')}\r\n\r\n`);
  }

  /** The bodies of the answers. */
  get bodies(): string[] {
    return [...this.text.matchAll(/\r\n\r\n(\{.*?\})(?=HTTP|$)/gs)].map(([, body]) => body!);
  }
}

describe('the connection of a long poll', function () {
  this.timeout(30_000);
  let world: World;
  let connections: Connection[];

  before(async () => {
    world = await startWorld({
      SISYPHUS_PROTOCOLS: 'rt',
      SISYPHUS_PUBLIC_CHANNELS: 'news:*',
      SISYPHUS_ORIGINS: 'https://a.example',
    });
    await world.publish.fcall('news:1', '1');
    await world.publish.fcall('news:1', '2');
  });

  beforeEach(() => {
    connections = [];
  });

  afterEach(() => {
    for (const { socket } of connections) socket.destroy();
  });

  after(() => world.stop());

  function open(): Connection {
    const connection = new Connection(world.gateway.port);
    connections.push(connection);
    return connection;
  }

  const waiting = async (count: number): Promise<unknown> =>
    eventually(async () => (await world.gateway.status()).streams === count);
  const news = (...ids: number[]): string =>
    JSON.stringify({ 'news:1': { status: 'ok', msg: ids.map((id) => ({ id, payload: id })) } });

  it('stays, for the next poll and for other requests, as often as the client likes', async () => {
    const connection = open();
    for (let i = 1; i <= 30; i++) {
      connection.ask(`c=news:1&m=${i % 2}`);
      await eventually(() => connection.bodies.length === i);
    }
    expect(connection.bodies.slice(0, 2)).to.deep.equal([news(2), news(1, 2)]);
    expect(connection.text)
      .to.match(/^HTTP\/1\.1 200 OK\r\n/)
      .and.include('\r\nKeep-Alive: timeout=75\r\n');
    for (const header of ['Cache-Control: no-store', 'X-Content-Type-Options: nosniff', 'Content-Length: ', 'Date: '])
      expect(connection.text).to.include(`\r\n${header}`);
    connection.socket.write('GET /position HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => /"id":"\d+"/.test(connection.bodies.at(-1)!));
    connection.ask('c=news:1&m=1');
    await eventually(() => connection.bodies.at(-1) === news(2));
    expect(world.gateway.output()).to.not.include('MaxListeners');
  });

  it('answers requests in their order, if the next one comes before the answer', async () => {
    const connection = open();
    connection.ask('c=news:2');
    await waiting(1);
    connection.ask('c=news:1&m=1');
    connection.socket.write('GET /position HTTP/1.1\r\nHost: a\r\n\r\n');
    await world.publish.fcall('news:2', '"late"');
    await eventually(() => connection.bodies.length === 3);
    expect(connection.bodies.slice(0, 2)).to.deep.equal([
      '{"news:2":{"status":"ok","msg":[{"id":1,"payload":"late"}]}}',
      news(2),
    ]);
    expect(connection.bodies[2]).to.match(/^\{"id":"\d+"\}$/);
  });

  it('ends behind the answer if the client wants that, and at once if it floods the gateway', async () => {
    const last = open();
    last.ask('c=news:1&m=1', 'Connection: close');
    await eventually(() => last.isEnded);
    expect(last.text).to.include('\r\nConnection: close\r\n');
    expect(last.bodies).to.deep.equal([news(2)]);
    const flood = open();
    flood.ask('c=news:1&m=2');
    await waiting(1);
    const closed = once(flood.socket, 'close');
    flood.socket.write('x'.repeat(100_000));
    await within(closed, 10_000, 'the end of the connection');
    await waiting(0);
  });

  it('is free when the client ends its side, or goes', async () => {
    const half = open();
    half.ask('c=news:1&m=2');
    const gone = open();
    gone.ask('c=news:1&m=2');
    await waiting(2);
    half.socket.end();
    gone.socket.resetAndDestroy();
    await waiting(0);
    await eventually(() => half.isEnded);
  });

  it('carries errors as on other routes, and stays', async () => {
    const connection = open();
    connection.ask('c=news:1&m=x');
    connection.ask('c=news:1&m=1');
    await eventually(() => connection.bodies.length === 2);
    expect(connection.text).to.match(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(JSON.parse(connection.bodies[0]!)).to.include({ error: 'bad_request' });
    expect(connection.bodies[1]).to.equal(news(2));
    await world.gateway.waitForLog(({ event, path }) => event === 'request_refused' && path === '/rt');
  });

  it('may be one of another origin, if that is listed, also with a form', async () => {
    const headers = { Origin: 'https://a.example', 'Sec-Fetch-Site': 'cross-site' };
    for (const asked of [
      fetch(`${world.gateway.url}/rt?c=news:1&m=1`, { headers }),
      fetch(`${world.gateway.url}/rt`, { method: 'POST', headers, body: new URLSearchParams('c=news:1&m=1') }),
    ]) {
      const response = await asked;
      expect(response.status).to.equal(200);
      expect(response.headers.get('access-control-allow-origin')).to.equal('https://a.example');
      expect(response.headers.get('access-control-expose-headers')).to.equal('Sisyphus-Position');
      expect(response.headers.get('sisyphus-position')).to.match(/^\d+$/);
      expect(response.headers.get('vary')).to.include('Origin');
      expect(await response.text()).to.equal(news(2));
    }
    const preflight = await fetch(`${world.gateway.url}/rt`, {
      method: 'OPTIONS',
      headers: { ...headers, 'Access-Control-Request-Method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-methods')).to.equal('GET, HEAD, POST, OPTIONS');
  });
});
