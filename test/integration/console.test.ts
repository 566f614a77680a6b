import { expect } from 'chai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const SECRET = 'the-secret-of-this-console';
const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8';
const BEHIND: [method: string, path: string][] = [
  ['GET', '/console/session'],
  ['GET', '/console/stream?user=1'],
  ['GET', '/console/reports'],
  ['GET', '/console/position'],
  ['GET', '/console/rights?user=1'],
  ...['publish', 'fcall', 'plain', 'grant', 'revoke', 'disconnect'].map((name): [string, string] => [
    'POST',
    `/console/${name}`,
  ]),
];

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

function ask(url: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const all = { Connection: 'close', 'Content-Type': 'application/json', ...headers };
  return fetch(url, { method, headers: all, redirect: 'manual', signal: AbortSignal.timeout(5000), ...sent });
}

async function statusOf(url: string, asked?: Asked): Promise<number> {
  const response = await ask(url, asked);
  await response.body?.cancel();
  return response.status;
}

async function logIn(base: string, headers: Record<string, string> = {}): Promise<Record<string, string>> {
  const response = await ask(`${base}/console/login`, { method: 'POST', headers, body: { secret: SECRET } });
  expect(response.status).to.equal(204);
  return { Cookie: response.headers.get('Set-Cookie')!.split(';')[0]! };
}

describe('the console over HTTP', function () {
  this.timeout(30_000);
  let redis: RedisServer;
  let gateways: Gateway[];
  let streams: RawStream[];

  before(async () => {
    redis = await startRedis({});
  });
  after(() => redis?.stop());
  beforeEach(() => {
    gateways = [];
    streams = [];
  });
  afterEach(async () => {
    for (const stream of streams) stream.close();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
  });

  async function start(env: Record<string, string | undefined> = {}, ...args: string[]): Promise<Gateway> {
    const all = Object.entries({ REDIS_URL: redis.url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET, ...env });
    const set = all.filter((one): one is [string, string] => one[1] !== undefined);
    const gateway = await startGateway(Object.fromEntries(set), undefined, args);
    gateways.push(gateway);
    return gateway;
  }

  function open(port: number, path: string, headers: Record<string, string> = {}): RawStream {
    const stream = openStream({ port, path, headers: { Host: `localhost:${port}`, ...headers } });
    streams.push(stream);
    return stream;
  }

  it('is not there without a secret, and a browser that opens the address gets a stream as ever', async () => {
    const { url, port } = await start();
    for (const [method, path] of [
      ['GET', '/console'],
      ['POST', '/console/login'],
      ['GET', '/console/files/main.js'],
      ...BEHIND,
    ]) {
      expect(await statusOf(`${url}${path}`, { method: method! }), path).to.equal(404);
    }
    const stream = open(port, '/', { Accept: HTML });
    await stream.until(({ frames }) => frames[0]);
    expect(stream.frames[0]!.comments).to.deep.equal(['missing']);
  });

  it('leads a browser to the page, gives the page to everybody, and nothing behind it without a log-in', async () => {
    const gateway = await start({ SISYPHUS_CONSOLE_SECRET: SECRET });
    const { url, port } = gateway;
    const led = await ask(`${url}/`, { headers: { Accept: HTML } });
    expect([led.status, led.headers.get('Location'), led.headers.get('Vary')]).to.deep.equal([
      302,
      'console',
      'Accept',
    ]);
    for (const [path, accept] of [
      ['/', 'text/event-stream'],
      ['/', 'text/event-stream, text/html'],
      ['/?user=1', HTML],
      ['/stream', HTML],
    ]) {
      const stream = open(port, path!, { Accept: accept! });
      await stream.until(({ frames }) => frames.length > 0);
      expect(stream.status, `${path} ${accept}`).to.equal(200);
    }
    const page = await ask(`${url}/console`);
    expect(page.headers.get('Content-Type')).to.match(/^text\/html/);
    expect(page.headers.get('Content-Security-Policy')).to.match(/^default-src 'none'; script-src 'self';/);
    const files = [...(await page.text()).matchAll(/console\/files\/([\w.-]+)/g)].map(([, name]) => name!);
    expect(files).to.include.members(['main.js', 'base.css', 'icon.svg']);
    for (const name of files) {
      const file = await ask(`${url}/console/files/${name}`);
      expect(file.status, name).to.equal(200);
      const tag = file.headers.get('ETag')!;
      expect(await statusOf(`${url}/console/files/${name}`, { headers: { 'If-None-Match': tag } })).to.equal(304);
    }
    for (const name of ['console.html', '..%2f..%2fpackage.json', 'constructor']) {
      expect(await statusOf(`${url}/console/files/${name}`), name).to.equal(404);
    }
    for (const [method, path] of BEHIND) expect(await statusOf(`${url}${path}`, { method }), path).to.equal(401);
    const wrong = await ask(`${url}/console/login`, { method: 'POST', body: { secret: PUBLISH_SECRET } });
    expect([wrong.status, wrong.headers.get('Set-Cookie')]).to.deep.equal([401, null]);
    await gateway.waitForLog(({ event, level }) => event === 'console_refused' && level === 'warn');
    expect(gateway.output()).not.to.include(PUBLISH_SECRET);
  });

  it('gives who has logged in a stream of any user in every mode, and the normal way in does not know the cookie', async () => {
    const gateway = await start({
      SISYPHUS_CONSOLE_SECRET: SECRET,
      SISYPHUS_AUTH: 'jwt',
      SISYPHUS_JWT_SECRET: 'x'.repeat(32),
    });
    const { url, port } = gateway;
    const login = await ask(`${url}/console/login`, {
      method: 'POST',
      body: { secret: SECRET },
      headers: { Origin: url },
    });
    expect(login.headers.get('Set-Cookie')).to.match(
      /^sisyphus_console=[\w.-]+; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    const Cookie = login.headers.get('Set-Cookie')!.split(';')[0]!;
    await gateway.waitForLog(({ event }) => event === 'console_login');
    const normal = open(port, '/stream?user=7', { Cookie });
    await normal.until(({ frames }) => frames[0]);
    expect(normal.frames[0]!.comments[0]).to.equal('missing');
    const post = (name: string, body: unknown) =>
      ask(`${url}/console/${name}`, { method: 'POST', headers: { Cookie }, body });
    expect((await post('grant', { user: '7', channel: 'room:1' })).status).to.equal(200);
    await gateway.waitForLog(({ event, by }) => event === 'audit' && by === 'console');
    const stream = open(port, '/console/stream?user=7&format=json', { Cookie });
    await stream.until(({ frames }) => frames[0]?.data?.startsWith('{"status":"ok"'));
    const ids = await Promise.all(
      ['publish', 'fcall'].map(
        async (way) =>
          ((await (await post(way, { channel: 'room:1', data: way, event: 'e' })).json()) as { id: string }).id,
      ),
    );
    const plain = (await (await post('plain', { channel: 'room:1', data: 'plain' })).json()) as { receivers: number };
    expect(plain.receivers).to.be.at.least(1);
    await stream.until(({ messages }) => messages.length === 3);
    expect(stream.messages.map(({ id }) => id)).to.include.members(ids);
    expect(stream.messages.map(({ data }) => (JSON.parse(data!) as { data: string }).data)).to.have.members([
      'publish',
      'fcall',
      'plain',
    ]);
    expect(
      await statusOf(`${url}/console/plain`, {
        method: 'POST',
        headers: { Cookie },
        body: { channel: 'room:1', data: 'x', event: 'e' },
      }),
    ).to.equal(400);
    const rights = await (await ask(`${url}/console/rights?user=7`, { headers: { Cookie } })).json();
    expect(rights).to.deep.equal({ user: '7', channels: ['room:1'] });
    expect((await post('disconnect', { user: '7' })).status).to.equal(200);
    await stream.until(({ closed }) => closed);
    expect(await statusOf(`${url}/console/logout`, { method: 'POST', headers: { Cookie } })).to.equal(204);
    expect(gateway.output()).not.to.include(SECRET);
  });

  it('stands for a credential that has the channels it names, where rights come with the credential', async () => {
    const { url, port } = await start({
      SISYPHUS_CONSOLE_SECRET: SECRET,
      SISYPHUS_AUTH: 'jwt',
      SISYPHUS_JWT_SECRET: 'x'.repeat(32),
      SISYPHUS_RIGHTS: 'credential',
    });
    const headers = await logIn(url);
    const stream = open(port, '/console/stream?user=7&c=room:9&format=json', headers);
    await stream.until(({ frames }) => frames[0]?.data?.startsWith('{"status":"ok"'));
    await ask(`${url}/console/publish`, { method: 'POST', headers, body: { channel: 'room:9', data: 'seen' } });
    await stream.until(({ messages }) => messages.some(({ data }) => data?.includes('seen')));
    expect(stream.frames.some(({ event }) => event === 'denied')).to.equal(false);
  });

  it('refuses pages of other sites whatever they bring, and lets them read nothing', async () => {
    const { url } = await start({ SISYPHUS_CONSOLE_SECRET: SECRET, SISYPHUS_ORIGINS: 'https://app.example' });
    const own = await logIn(url, { Origin: url, 'Sec-Fetch-Site': 'same-origin' });
    for (const [method, path] of BEHIND) {
      const headers = { ...own, Origin: 'https://app.example', 'Sec-Fetch-Site': 'cross-site' };
      const response = await ask(`${url}${path}`, { method, headers });
      expect(await response.json(), path).to.include({ error: 'cross_site' });
    }
    const headers = { Origin: 'https://app.example' };
    expect(await statusOf(`${url}/console/login`, { method: 'POST', headers, body: { secret: SECRET } })).to.equal(403);
    expect(
      await statusOf(`${url}/console/publish`, {
        method: 'OPTIONS',
        headers: { ...headers, 'Access-Control-Request-Method': 'POST' },
      }),
    ).not.to.equal(204);
  });

  it('is on the port of operators alone, if they have one', async () => {
    const gateway = await start({ SISYPHUS_CONSOLE_SECRET: SECRET, SISYPHUS_ADMIN_PORT: '0' });
    const { admin: port } = gateway.logs.find(({ event }) => event === 'listening') as { admin?: number };
    const admin = `http://127.0.0.1:${port}`;
    for (const path of ['/console', '/console/session', '/console/files/main.js'])
      expect(await statusOf(`${gateway.url}${path}`)).to.equal(404);
    const stream = open(gateway.port, '/', { Accept: HTML });
    await stream.until(({ frames }) => frames[0]);
    expect((await ask(`${admin}/`, { headers: { Accept: HTML } })).headers.get('Location')).to.equal('console');
    const headers = await logIn(admin);
    expect(await (await ask(`${admin}/console/session`, { headers })).json()).to.include({
      isOnAdminPort: true,
      isDemo: false,
    });
    const watched = open(port!, '/console/stream?user=1', headers);
    await watched.until(({ frames }) => frames[0]?.data?.includes('ok'));
    expect(watched.header('content-type')).to.equal('text/event-stream');
  });

  it('is open in the demo to this machine by a local name, and to nobody else', async () => {
    const { url, port } = await start({ SISYPHUS_PUBLISH_SECRET: undefined }, '--demo');
    const session = await (await ask(`${url}/console/session`)).json();
    expect(session).to.include({ isDemo: true, auth: 'open' });
    // The lines that the page shows have the secret that the demo has made, so they can be typed as they are.
    const shown = { Authorization: `Bearer ${session.demoSecret}` };
    const body = { channel: 'room:1', data: 'x' };
    expect((await ask(`${url}/publish`, { method: 'POST', body, headers: shown })).status).to.equal(200);
    expect(await (await ask(`http://localhost:${port}/console/rights?user=1`)).json()).to.deep.equal({
      user: '1',
      channels: ['room:1', 'room:2'],
    });
    const post = { method: 'POST', body: { channel: 'room:1', data: 'x' } };
    for (const headers of [{ 'X-Forwarded-For': '192.0.2.1' }, { Forwarded: 'for=192.0.2.1' }]) {
      expect(await (await ask(`${url}/console/publish`, { ...post, headers })).json()).to.include({
        error: 'not_local',
      });
    }
    // A page whose name was made to lead here: its own site, by its own name.
    const rebound = {
      Host: `evil.example:${port}`,
      Origin: `http://evil.example:${port}`,
      'Sec-Fetch-Site': 'same-origin',
    };
    for (const [method, path] of BEHIND) {
      const stream = openStream({ port, method, path, headers: { ...rebound, 'Content-Length': '0' } });
      await stream.until(({ closed, head, bytes }) => head && (closed || bytes.includes('}')));
      expect([stream.status, String(stream.bytes)], path).to.satisfy(
        ([status, text]: [number, string]) => status === 403 && text.includes('not_local'),
      );
      stream.close();
    }
  });

  it('asks for a secret in the demo too, if there is one', async () => {
    const { url } = await start({ SISYPHUS_CONSOLE_SECRET: SECRET }, '--demo');
    expect(await statusOf(`${url}/console/session`)).to.equal(401);
  });

  it('says in its reports how the gateway and the fleet are, and keeps no stop waiting', async () => {
    const env = { SISYPHUS_CONSOLE_SECRET: SECRET, SISYPHUS_DRAIN: '0s' };
    const [one, other] = await Promise.all([start(env), start(env)]);
    const headers = await logIn(one!.url);
    const reports = open(one!.port, '/console/reports', headers);
    const last = () => JSON.parse(reports.frames.at(-1)?.data ?? 'null') as Report | null;
    open(other!.port, '/console/stream?user=8', headers);
    const row = () => last()?.fleet.find(({ gateway }) => gateway.endsWith(`/${other!.pid}`));
    await eventually(() => row()?.streams === 1, 8000);
    expect(last()).to.include({ store: 'redis', redis: 'up', ready: true, processes: 1 });
    expect(last()!.fleet[0]!.gateway).to.match(new RegExp(`/${one!.pid}$`));
    expect(last()!.fleet.filter(({ role }) => role === 'leader')).to.have.length(1);
    other!.kill('SIGTERM');
    await other!.exited;
    await eventually(() => row() === undefined, 4000);
    const watch = new Stopwatch(() => ({ redis: redis.pid, gateways: [one!.pid] }));
    one!.kill('SIGTERM');
    await one!.exited;
    expect(watch.elapsed, 'how long the stop took').to.be.below(2400);
    expect(await redis.client().hlen('sisyphus:{0}:reports')).to.equal(0);
  });
});

interface Report {
  fleet: { gateway: string; streams: number; role: string }[];
}
