import { expect } from 'chai';
import { Application } from '../support/application.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type IssuerKey, issuerKey, JwksServer, sign } from '../support/jwks-server.ts';
import { openStream, type RawRequest, type RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';
import { CONSOLE_SECRET, DOORS, REFUSALS } from './doors.ts';
import { touchedBy } from './footprint.ts';
import { NAMES } from './names.ts';

/** The word of a stream: `ok`, or the refusal. */
async function wordOf(stream: RawStream): Promise<string> {
  await stream.until(({ frames }) => frames.length > 0);
  const { data, comments } = stream.frames[0]!;
  stream.close();
  return data === '<message><status>ok</status></message>' ? 'ok' : (comments[0] ?? `no reason: ${data}`);
}

describe('a hostile name', function () {
  this.timeout(30_000);
  let world: World;
  let witness: RawStream;

  before(async () => {
    world = await startWorld({ SISYPHUS_CONSOLE_SECRET: CONSOLE_SECRET });
    await world.allow('witness', 'room:witness');
    witness = await world.openOk({ path: '/?user=witness' });
  });

  after(() => world?.stop());

  /** The witness gets what is its own, and nothing that came through a door before it. */
  async function expectQuiet(): Promise<void> {
    const text = `still here ${Math.random()}`;
    await world.publish.fcall('room:witness', text);
    await witness.frame(({ data }) => data === text);
    expect(witness.messages.filter(({ data }) => !data?.startsWith('still here'))).to.deep.equal([]);
  }

  for (const { what, kind, knock, touches, excludes } of DOORS) {
    it(`is refused by ${what}, and touches nothing; a good one touches only what is its own`, async () => {
      const way = { url: world.gateway.url, redis: world.client, redisUrl: world.redis.url };
      for (const { what: name, text, good } of NAMES) {
        if (excludes?.test(text)) continue;
        let answer = '';
        const touched = await touchedBy(world.client, async () => {
          answer = await knock(text, way);
        });
        if (good.includes(kind)) {
          expect(answer, name).to.equal('taken');
          expect(touches(text), name).to.include.members(touched);
        } else if (answer !== 'taken' || text !== '' || kind !== 'event') {
          expect(answer, name).to.match(REFUSALS[kind]);
          expect(touched, name).to.deep.equal([]);
        }
      }
      await expectQuiet();
    });
  }

  it('names nobody else in the address of a stream, and opens one only for a good user', async () => {
    for (const { what, text, good } of NAMES) {
      let word = '';
      const touched = await touchedBy(world.client, async () => {
        word = await wordOf(world.open({ path: `/?user=${percent(text)}` }));
      });
      expect(word, what).to.equal(good.includes('user') ? 'ok' : 'malformed');
      expect(
        touched.filter((key) => !key.startsWith(`sisyphus:{0}:user:${text}:`)),
        what,
      ).to.deep.equal([]);
    }
    for (const user of [
      'a%c0%80',
      '%c0%ae%c0%ae',
      '%ff',
      '%ed%a0%80',
      '%',
      '%zz',
      '7&user=8',
      '7&user=7',
      '7%00',
      '%2e%2e%2f',
    ]) {
      expect(await wordOf(world.open({ path: `/?user=${user}` })), user).to.equal('malformed');
    }
    await expectQuiet();
  });
});

function percent(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

describe('a hostile name of a user', function () {
  this.timeout(30_000);
  let world: World;
  const gateways: Gateway[] = [];
  const application = new Application();
  const issuer = new JwksServer();
  let key: IssuerKey;
  let said: unknown;

  before(async () => {
    world = await startWorld();
    key = await issuerKey('one');
    issuer.keys = [key];
    application.answer = (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ user: said }));
    for (const env of [
      { SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_JWKS_URL: await issuer.start() },
      { SISYPHUS_AUTH: 'forward', SISYPHUS_FORWARD_URL: await application.start() },
      { SISYPHUS_AUTH: 'header', SISYPHUS_TRUSTED_PROXIES: '127.0.0.1' },
    ]) {
      gateways.push(await startGateway({ REDIS_URL: world.redis.url, ...env }));
    }
  });

  after(async () => {
    application.stop();
    issuer.stop();
    for (const gateway of gateways) await gateway.stop();
    await world?.stop();
  });

  const ask = (at: number, request: Omit<RawRequest, 'port'>): Promise<string> =>
    wordOf(openStream({ port: gateways[at]!.port, ...request }));

  it('is refused in a token, in what the application says, and in the header of a proxy', async () => {
    for (const { what, text, good } of NAMES) {
      const expected = good.includes('user') ? 'ok' : 'malformed';
      said = text;
      const token = await sign(key, { sub: text });
      expect(await ask(0, { path: '/', headers: { Authorization: `Bearer ${token}` } }), what).to.equal(expected);
      const word = await ask(1, { path: '/', headers: { Cookie: `s=${percent(text)}` } });
      expect(word, what).to.equal(expected);
      // Bytes that no header may have are refused before anybody reads the user.
      if (/[^ -\uffff]/.test(text) || text.trim() === '') continue;
      const headers = { 'X-Sisyphus-User': Buffer.from(text).toString('latin1') };
      expect(await ask(2, { path: '/', headers }), what).to.equal(expected);
    }
  });

  it('is refused if it is no text', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    for (const json of ['[]', '{}', '["7"]', 'true', '1e400', '-1.5', '{"toString":"7"}', '[[["7"]]]', deep]) {
      application.answer = (_request, response) =>
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(`{"user":${json}}`);
      const word = await ask(1, { path: '/', headers: { Cookie: `t=${Math.random()}` } });
      expect(word, json.slice(0, 40)).to.be.oneOf(['malformed']);
    }
  });
});
