import { expect } from 'chai';
import { SignJWT } from 'jose';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { begin, pollOnce, post, sendTo } from '../support/sock-it.ts';
import { eventually, within } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const KEY = 'sisyphus:{0}';
const OK = '<message><status>ok</status></message>';
const ORIGIN = 'https://app.example';

describe('a poll session that carries a stream', function () {
  this.timeout(60_000);
  let world: World;
  let other: Gateway;
  let token: Gateway;
  let url: string;

  before(async () => {
    world = await startWorld({
      SISYPHUS_PROTOCOLS: 'sock.it',
      SISYPHUS_BACKLOG_LENGTH: '50',
      SISYPHUS_ORIGINS: ORIGIN,
    });
    const shared = { REDIS_URL: world.redis.url, SISYPHUS_PROTOCOLS: 'sock.it', SISYPHUS_BACKLOG_LENGTH: '50' };
    other = await startGateway({ ...shared, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET });
    token = await startGateway({ ...shared, SISYPHUS_AUTH: 'token', SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET });
    url = world.gateway.url;
    await world.allow('7', 'room:1', 'room:2');
  });

  after(async () => {
    await token.stop();
    await other.stop();
    await world.stop();
  });

  /** Polls in turn at both gateways, until there are so many messages. */
  async function collect(session: string, count: number): Promise<string[]> {
    const got: string[] = [];
    for (let i = 0; got.length < count; i++) {
      const asked = pollOnce(i % 2 === 0 ? url : other.url, session);
      got.push(...(await within(asked, 10_000, `${count} messages; there are ${JSON.stringify(got)}`)));
    }
    return got;
  }

  async function waits(session: string): Promise<void> {
    await eventually(async () => (await world.client.hget(`${KEY}:poll:${session}`, 'at')) !== null);
  }

  const streams = async (gateway: Gateway): Promise<number> => (await gateway.status()).streams;

  it('says ok once, and goes on at any gateway with what came between two polls', async () => {
    const session = await begin(url, '?user=7');
    expect(session).to.match(/^u-[0-9a-f]{32}$/);
    await world.publish.fcall('room:1', 'before the first poll');
    expect(await collect(session, 2)).to.deep.equal([OK, 'before the first poll']);
    for (let i = 0; i < 20; i++) await world.publish.fcall(`room:${1 + (i % 2)}`, `between ${i}`);
    expect(await collect(session, 20)).to.deep.equal(Array.from({ length: 20 }, (_, i) => `between ${i}`));
    const asked = pollOnce(url, session);
    await eventually(async () => (await streams(world.gateway)) === 1);
    await world.publish.http('room:2', 'live\nin two lines');
    expect(await within(asked, 5_000, 'a live message')).to.deep.equal(['live\nin two lines']);
    await eventually(async () => (await streams(world.gateway)) === 0);
  });

  it('gives what is sent to the session beside the stream', async () => {
    const session = await begin(url, '?user=7');
    expect(await collect(session, 1)).to.deep.equal([OK]);
    await sendTo(url, session, ['for this session']);
    await world.publish.fcall('room:1', 'for the room');
    expect((await collect(session, 2)).sort()).to.deep.equal(['for the room', 'for this session']);
  });

  it('speaks JSON if it was opened so', async () => {
    const session = await begin(url, '?user=7&format=json');
    const { id, revision } = await world.publish.fcall('room:1', '{"a":1}');
    const [status, message] = await collect(session, 2);
    expect(JSON.parse(status!)).to.deep.equal({ status: 'ok' });
    expect(JSON.parse(message!)).to.deep.equal({ channel: 'room:1', revision, id, data: { a: 1 } });
  });

  it('has the rights of its user, also those that change between two polls', async () => {
    await world.allow('8', 'room:3');
    const session = await begin(url, '?user=8');
    expect(await collect(session, 1)).to.deep.equal([OK]);
    await world.publish.fcall('room:4', 'before the grant');
    await world.client.call('FCALL', 'sisyphus_grant', '1', KEY, '8', 'room:4', 'granted');
    await world.publish.fcall('room:4', 'after the grant');
    expect(await collect(session, 2)).to.deep.equal(['granted', 'after the grant']);
    await world.client.call('FCALL', 'sisyphus_revoke', '1', KEY, '8', 'room:3', 'revoked');
    await world.publish.fcall('room:3', 'after the revocation');
    await world.publish.fcall('room:4', 'the end');
    expect(await collect(session, 2)).to.deep.equal(['revoked', 'the end']);
  });

  it('is told of a gap once, and goes on behind it', async () => {
    await world.allow('9', 'room:9');
    const session = await begin(url, '?user=9');
    expect(await collect(session, 1)).to.deep.equal([OK]);
    for (let i = 0; i < 60; i++) await world.publish.fcall('room:9', `${i}`);
    const [reset, ...rest] = await collect(session, 51);
    expect(reset).to.equal('<message><reset><channel>room:9</channel><reason>trimmed</reason></reset></message>');
    expect(rest).to.deep.equal(Array.from({ length: 50 }, (_, i) => `${i + 10}`));
    await world.publish.fcall('room:9', 'next');
    expect(await collect(session, 1)).to.deep.equal(['next']);
  });

  it('is told once of a gap that nothing follows', async () => {
    await world.allow('10', 'room:10');
    const session = await begin(other.url, '?user=10');
    expect(await pollOnce(other.url, session)).to.deep.equal([OK]);
    for (let i = 0; i < 3; i++) await world.publish.fcall('room:10', `${i}`);
    // A gateway that has not heard the messages has to find them in the backlog.
    await world.client.del(`${KEY}:channel:room:10:msg_backlog`);
    const [reset, ...rest] = await pollOnce(url, session);
    expect(reset).to.match(/<channel>room:10<.channel><reason>trimmed</);
    expect(rest).to.deep.equal([]);
    await world.publish.fcall('room:10', 'next');
    expect(await pollOnce(other.url, session)).to.deep.equal(['next']);
  });

  it('is sent again with ack=1 what is not named, together with the place in the stream', async () => {
    const session = await begin(url, '?user=7&ack=1');
    expect(await pollOnce(url, session)).to.deep.equal([OK]);
    expect(await pollOnce(other.url, session)).to.deep.equal([OK]);
    await world.publish.fcall('room:1', 'once');
    expect(await pollOnce(url, session, { query: '?got=1' })).to.deep.equal(['once']);
    await world.publish.fcall('room:1', 'later');
    expect(await pollOnce(other.url, session, { query: '?got=1' })).to.deep.equal(['once']);
    expect(await pollOnce(url, session, { query: '?got=2' })).to.deep.equal(['later']);
  });

  it('answers only the credential that it was opened with, also when a browser sends', async () => {
    const [mine, second, foreign] = await Promise.all([mint('7'), mint('7'), mint('8')]);
    const session = await begin(token.url, '', bearer(mine));
    expect(await pollOnce(token.url, session, { headers: bearer(mine) })).to.deep.equal([OK]);
    for (const headers of [bearer(second), bearer(foreign), bearer(`${mine}x`), {}]) {
      for (const [path, body] of [['poll'], ['poll-msg', '["a"]']] as const) {
        const { status } = await post(token.url, `${session}/${path}`, { headers, ...(body && { body }) });
        expect(status).to.equal(401);
      }
    }
    expect(await world.client.xlen(`${KEY}:inbox`)).to.equal(0);
    await post(token.url, `${session}/poll-msg`, { headers: bearer(mine), body: '["mine"]' });
    const [[, fields] = []] = await world.client.xrange(`${KEY}:inbox`, '-', '+');
    expect(fields!.slice(4)).to.deep.equal(['session', session, 'user', '7', 'data', 'mine']);
    expect((await post(token.url, 'poll-start', { headers: bearer('x') })).status).to.equal(401);
  });

  it('goes by the token or the user where credentials cannot be revoked', async () => {
    const secret = 'a-shared-secret-of-more-than-32-bytes';
    const shared = { REDIS_URL: world.redis.url, SISYPHUS_PROTOCOLS: 'sock.it', SISYPHUS_BACKLOG_LENGTH: '50' };
    const jwt = await startGateway({
      ...shared,
      SISYPHUS_AUTH: 'jwt',
      SISYPHUS_JWT_SECRET: secret,
      SISYPHUS_COOKIE: 'token',
    });
    const header = await startGateway({ ...shared, SISYPHUS_AUTH: 'header', SISYPHUS_TRUSTED_PROXIES: '127.0.0.1' });
    try {
      const sign = (id: string): Promise<string> =>
        new SignJWT({ sub: '7', jti: id, exp: Math.floor(Date.now() / 1000) + 600 })
          .setProtectedHeader({ alg: 'HS256' })
          .sign(Buffer.from(secret));
      const cases: [Gateway, Record<string, string>, Record<string, string>][] = [
        [jwt, { Cookie: `other=1; token=${await sign('a')}` }, { Cookie: `token=${await sign('b')}` }],
        [header, { 'X-Sisyphus-User': '7' }, { 'X-Sisyphus-User': '8' }],
      ];
      for (const [{ url: at }, mine, foreign] of cases) {
        const session = await begin(at, '', mine);
        expect(await pollOnce(at, session, { headers: mine })).to.deep.equal([OK]);
        for (const headers of [foreign, {}])
          expect((await post(at, `${session}/poll`, { headers })).status).to.equal(401);
      }
    } finally {
      await jwt.stop();
      await header.stop();
    }
  });

  it('ends with its token', async () => {
    const mine = await mint('7');
    const session = await begin(token.url, '', bearer(mine));
    expect(await pollOnce(token.url, session, { headers: bearer(mine) })).to.deep.equal([OK]);
    const asked = pollOnce(token.url, session, { headers: bearer(mine) });
    await waits(session);
    await eventually(async () => (await streams(token)) === 1);
    await fetch(`${token.url}/tokens`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${PUBLISH_SECRET}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ token: mine }),
    });
    expect(await within(asked, 5_000, 'the end')).to.deep.equal(['<message><status>failure</status></message>']);
    expect((await post(token.url, `${session}/poll`, { headers: bearer(mine) })).status).to.equal(401);
  });

  it('answers pages of its own site and of allowed origins, and no others', async () => {
    const allowed = { Origin: ORIGIN, 'Sec-Fetch-Site': 'cross-site' };
    const session = await begin(url, '?user=7', allowed);
    const { status, headers } = await post(url, `${session}/poll`, { headers: allowed });
    expect(status).to.equal(200);
    expect(headers.get('access-control-allow-origin')).to.equal(ORIGIN);
    expect(headers.get('access-control-expose-headers')).to.equal('Sisyphus-Batch');
    expect((await post(url, `${session}/poll-msg`, { body: '["a"]', headers: { Origin: url } })).status).to.equal(200);
    for (const path of ['poll', 'poll-msg', 'send']) {
      const foreign = await post(url, `${session}/${path}`, {
        body: '["a"]',
        headers: { Origin: 'https://evil.example' },
      });
      expect(foreign.status, path).to.equal(403);
    }
    expect((await post(url, `${session}/send`, { body: '["a"]', headers: allowed })).status).to.equal(403);
    const asked = await fetch(`${url}/sock.it/${session}/poll`, {
      method: 'OPTIONS',
      headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'POST' },
    });
    expect(asked.headers.get('access-control-allow-headers')).to.contain('X-API-URL');
  });

  it('counts as a stream of its user while it waits', async () => {
    const limited = await startGateway({
      REDIS_URL: world.redis.url,
      SISYPHUS_PROTOCOLS: 'sock.it',
      SISYPHUS_MAX_STREAMS_PER_USER: '1',
      SISYPHUS_BACKLOG_LENGTH: '50',
    });
    try {
      const [one, two] = [await begin(limited.url, '?user=20'), await begin(limited.url, '?user=20')];
      expect(await pollOnce(limited.url, one)).to.deep.equal([OK]);
      const asked = pollOnce(limited.url, one);
      await eventually(async () => (await streams(limited)) === 1);
      const refused = await post(limited.url, `${two}/poll`);
      expect([refused.status, JSON.parse(refused.text).error]).to.deep.equal([429, 'too_many_requests']);
      expect(Number(refused.headers.get('retry-after'))).to.be.above(0);
      await sendTo(url, one, ['end']);
      expect(await asked).to.deep.equal(['end']);
    } finally {
      await limited.stop();
    }
  });

  async function mint(user: string): Promise<string> {
    const response = await fetch(`${token.url}/tokens`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${PUBLISH_SECRET}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ user, ttl: '1h' }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  const bearer = (text: string): Record<string, string> => ({ Authorization: `Bearer ${text}` });
});
