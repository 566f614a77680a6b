import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Application } from '../support/application.ts';
import { type IssuerKey, issuerKey, JwksServer, sign } from '../support/jwks-server.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const seconds = (): number => Math.floor(Date.now() / 1000);

async function lastFrame(stream: RawStream): Promise<RawStream['frames'][number]> {
  await stream.ended();
  return stream.frames.at(-1)!;
}

function dataOf(stream: RawStream): string[] {
  return stream.messages.map(({ data = '' }) => data).filter((data) => /^[a-z]+ \d+$/.test(data));
}

describe('who may listen, by a token', function () {
  this.timeout(30_000);
  let issuer: JwksServer;
  let key: IssuerKey;
  let world: World;

  before(async () => {
    issuer = new JwksServer();
    key = await issuerKey('one');
    issuer.keys = [key];
    world = await startWorld({
      SISYPHUS_AUTH: 'jwt',
      SISYPHUS_JWT_JWKS_URL: await issuer.start(),
      SISYPHUS_JWT_AUDIENCE: 'sisyphus',
      SISYPHUS_COOKIE: 'ticket',
      SISYPHUS_RIGHTS: 'both',
    });
  });

  after(async () => {
    issuer.stop();
    await world.stop();
  });

  afterEach(() => world.closeStreams());

  const token = (claims: object = {}): Promise<string> => sign(key, { aud: 'sisyphus', ...claims });

  it('is the user of the token, whichever way the token comes, and never the one of the address', async () => {
    const good = await token({ sub: 'auth0|65f' });
    await world.allow('auth0|65f', 'room:1');
    const streams = await Promise.all([
      world.openOk({ path: `/?access_token=${good}` }),
      world.openOk({ path: '/?user=1', headers: { Authorization: `Bearer ${good}` } }),
      world.openOk({ path: '/stream', headers: { Cookie: `a=b; ticket=${good}` } }),
    ]);
    await world.publish.plain('user:auth0|65f', 'own 1');
    await world.publish.fcall('user:1', 'other 1');
    await world.publish.fcall('room:1', 'room 1');
    await eventually(() => streams.every((stream) => dataOf(stream).length === 2));
    for (const stream of streams) expect(dataOf(stream)).to.have.members(['own 1', 'room 1']);
  });

  it('says in one word why it refuses, in both formats, and asks to come back much later', async () => {
    for (const [claims, word] of [
      [{ exp: seconds() - 5 }, 'expired'],
      [{ nbf: seconds() + 600 }, 'not_yet'],
      [{ aud: 'other' }, 'audience'],
      [{ sub: 'a:b' }, 'malformed'],
    ] as const) {
      const bad = await token(claims);
      const raw = await lastFrame(world.open({ path: `/?access_token=${bad}` }));
      expect(raw).to.include({ data: '<message><status>failure</status></message>' });
      expect(raw.comments).to.deep.equal([word]);
      expect(raw.retry).to.be.within(30_000, 60_000);
      const json = await lastFrame(world.open({ path: `/?format=json&access_token=${bad}` }));
      expect(JSON.parse(json.data!)).to.deep.equal({ status: 'failure', reason: word });
    }
    expect((await lastFrame(world.open({ path: '/' }))).comments).to.deep.equal(['missing']);
  });

  it('ends a stream at the second of its end; who comes back with a fresh token misses nothing', async () => {
    await world.allow('9', 'room:9');
    const exp = seconds() + 2;
    const watch = world.stopwatch();
    const path = `/?access_token=${await token({ sub: '9', exp })}`;
    const stream = await world.openOk({ path });
    await world.publish.fcall('room:9', 'a 1');
    const last = await lastFrame(stream);
    expect(Date.now() / 1000 - exp).to.be.within(0, 1 + watch.waited / 1000);
    expect(last).to.include({ data: '<message><status>failure</status></message>' });
    expect(last.comments).to.deep.equal(['expired']);
    expect(last.retry).to.be.within(1000, 3000);
    const dead = await lastFrame(world.open({ path, headers: { 'Last-Event-ID': last.id! } }));
    expect(dead.retry).to.be.within(30_000, 60_000);
    await world.publish.fcall('room:9', 'a 2');
    const fresh = await token({ sub: '9' });
    const back = await world.openOk({ path: `/?access_token=${fresh}`, headers: { 'Last-Event-ID': last.id! } });
    await eventually(() => dataOf(back).length === 1);
    expect([...dataOf(stream), ...dataOf(back)]).to.deep.equal(['a 1', 'a 2']);
  });

  it('follows the channels of the token as long as the token holds, whatever is on the list', async () => {
    await world.allow('5', 'room:list');
    const fresh = await token({ sub: '5', channels: ['room:token', 'room:both', 'user:6'] });
    const stream = await world.openOk({ path: `/?access_token=${fresh}` });
    await world.publish.fcall('room:token', 'a 1');
    await world.publish.plain('room:both', 'b 1');
    await eventually(() => dataOf(stream).length === 2);
    await world.publish.fcall('room:list', 'c 1');
    await eventually(() => dataOf(stream).length === 3);
    // A grant and a revocation by the list do not touch what the token allows.
    for (const verb of ['grant', 'revoke']) {
      await world.client.call(`FCALL`, `sisyphus_${verb}`, '1', 'sisyphus:{0}', '5', 'room:both', verb);
      await world.client.call(`FCALL`, `sisyphus_${verb}`, '1', 'sisyphus:{0}', '5', 'room:list', verb);
    }
    await world.publish.fcall('room:list', 'c 2');
    await world.publish.fcall('room:both', 'b 2');
    await world.publish.fcall('user:6', 'd 1');
    await eventually(() => dataOf(stream).length >= 5);
    await wait(100);
    expect(dataOf(stream)).to.deep.equal(['a 1', 'b 1', 'c 1', 'b 2', 'd 1']);
    const id = stream.frames.find(({ data }) => data === 'b 1')!.id!;
    stream.close();
    const back = await world.openOk({ path: `/?access_token=${fresh}`, headers: { 'Last-Event-ID': id } });
    await eventually(() => dataOf(back).length >= 2);
    expect(dataOf(back)).to.deep.equal(['b 2', 'd 1']);
    back.close();
    const other = await token({ sub: '5', channels: [] });
    const without = await world.openOk({ path: `/?access_token=${other}`, headers: { 'Last-Event-ID': id } });
    await world.publish.fcall('user:5', 'e 1');
    await eventually(() => dataOf(without).length > 0);
    expect(dataOf(without)).to.deep.equal(['e 1']);
  });

  it('has no token in its log', async () => {
    const text = JSON.stringify(world.gateway.logs);
    expect(text).not.to.match(/eyJ[\w-]{8}/);
  });
});

describe('who may listen, by what the application says', function () {
  this.timeout(30_000);
  let application: Application;
  let world: World;

  before(async () => {
    application = new Application();
    world = await startWorld({
      SISYPHUS_AUTH: 'forward',
      SISYPHUS_FORWARD_URL: await application.start(),
      SISYPHUS_RIGHTS: 'credential',
    });
  });

  after(async () => {
    application.stop();
    await world.stop();
  });

  afterEach(() => world.closeStreams());

  it('reads the channels of the answer and not those of the list in Redis', async () => {
    await world.allow('7', 'room:list');
    application.saysJson({ user: 7, channels: ['room:sql'] });
    const stream = await world.openOk({ path: '/', headers: { Cookie: 'session=1' } });
    await world.publish.fcall('room:list', 'a 1');
    await world.publish.plain('room:sql', 'b 1');
    await world.publish.plain('user:7', 'c 1');
    await eventually(() => dataOf(stream).length === 2);
    await world.publish.fcall('room:sql', 'b 2');
    await eventually(() => dataOf(stream).length >= 3);
    expect(dataOf(stream)).to.deep.equal(['b 1', 'c 1', 'b 2']);
  });

  it('refuses whom the application refuses, and asks others to come back soon while it does not answer', async () => {
    application.answer = (_request, response) => response.writeHead(403).end();
    const refused = await lastFrame(world.open({ path: '/', headers: { Cookie: 'session=2' } }));
    expect([refused.data, ...refused.comments]).to.deep.equal([
      '<message><status>failure</status></message>',
      'refused',
    ]);
    application.answer = (_request, response) => response.writeHead(500).end();
    const unknown = await lastFrame(world.open({ path: '/', headers: { Cookie: 'session=3' } }));
    expect([unknown.data, ...unknown.comments]).to.deep.equal([
      '<message><status>error</status></message>',
      'unavailable',
    ]);
    expect(unknown.retry).to.be.within(5000, 10_000);
  });
});

describe('who may listen, by a header', function () {
  this.timeout(30_000);

  it('believes the proxy that knows the secret, and nobody else', async () => {
    const world = await startWorld({ SISYPHUS_AUTH: 'header', SISYPHUS_HEADER_SECRET: 's3cret' });
    try {
      const headers = { 'X-Sisyphus-User': '7', 'X-Sisyphus-Secret': 's3cret' };
      await world.openOk({ path: '/?user=8', headers });
      const spoofed = { 'X-Sisyphus-User': '7', 'X-Forwarded-For': '127.0.0.1' };
      const frame = await lastFrame(world.open({ path: '/', headers: spoofed }));
      expect([frame.data, ...frame.comments]).to.deep.equal([
        '<message><status>failure</status></message>',
        'untrusted',
      ]);
      expect(JSON.stringify(world.gateway.logs)).not.to.include('s3cret');
    } finally {
      await world.stop();
    }
  });
});
