import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { expect } from 'chai';
import { exportJWK, SignJWT } from 'jose';
import { Application } from '../support/application.ts';
import { issuerKey, sign } from '../support/jwks-server.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openStream, type RawRequest } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const seconds = (): number => Math.floor(Date.now() / 1000);
/** Long enough to be found in a log by accident alone. */
const SECRETS = new Set<string>();

function remember(secret: string): string {
  if (secret.length > 12) SECRETS.add(secret);
  return secret;
}

/** `ok`, or why the stream was refused. */
async function wordOf(request: RawRequest): Promise<string> {
  const stream = openStream(request);
  try {
    await stream.until(({ frames }) => frames.length > 0);
    const { data, comments } = stream.frames[0]!;
    return data === '<message><status>ok</status></message>' ? 'ok' : (comments[0] ?? `no reason: ${data}`);
  } finally {
    stream.close();
  }
}

/** No secret in the whole log, and no event that says that the gateway has made a mistake. */
function judgeLog({ gateway }: World): void {
  const text = gateway.output();
  for (const secret of SECRETS) expect(text.includes(secret), `the log has ${secret.slice(0, 40)}`).to.equal(false);
  expect(gateway.logs.map(({ event }) => event)).not.to.include.any.members([
    'identification_failed',
    'request_failed',
  ]);
}

describe('a hostile token', function () {
  this.timeout(30_000);
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  let world: World;

  before(async () => {
    world = await startWorld({
      SISYPHUS_AUTH: 'jwt',
      SISYPHUS_JWT_KEY: pem,
      SISYPHUS_JWT_AUDIENCE: 'sisyphus',
      SISYPHUS_JWT_ISSUER: 'https://issuer.example',
      SISYPHUS_COOKIE: 'ticket',
      SISYPHUS_RIGHTS: 'both',
      SISYPHUS_LOG_LEVEL: 'trace',
    });
  });

  after(() => world?.stop());

  const encode = (value: object | string): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const standard = (): object => ({ sub: '7', aud: 'sisyphus', iss: 'https://issuer.example', exp: seconds() + 600 });

  /** Signed as it should be, with any claims, also such as no library would write. */
  async function signed(claims: object | string, header: object = {}): Promise<string> {
    const { createSign } = await import('node:crypto');
    const text = `${encode({ alg: 'RS256', ...header })}.${encode(typeof claims === 'string' ? claims : { ...standard(), ...claims })}`;
    return remember(`${text}.${createSign('RSA-SHA256').update(text).sign(privateKey).toString('base64url')}`);
  }

  function withHmac(key: string, alg = 'HS256'): string {
    const text = `${encode({ alg })}.${encode(standard())}`;
    return remember(`${text}.${createHmac('sha256', key).update(text).digest('base64url')}`);
  }

  const asWord = (token: string): Promise<string> =>
    wordOf({ port: world.gateway.port, path: '/', headers: { Authorization: `Bearer ${token}` } });
  const raw = (claims: string): string => JSON.stringify(standard()).replace(/}$/, `,${claims}}`);

  it('is refused by its reason, and never for the sake of what it says about itself', async () => {
    const good = await signed({});
    const [head = '', body = '', signature = ''] = good.split('.');
    const thief = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = thief.publicKey.export({ format: 'jwk' });
    const byThief = await new SignJWT({ ...standard() })
      .setProtectedHeader({
        alg: 'RS256',
        jwk,
        jku: 'http://127.0.0.1:1/keys',
        x5u: 'http://127.0.0.1:1/c',
        kid: '../../etc/passwd',
      })
      .sign(thief.privateKey);
    const otherAlgorithm = await new SignJWT({ ...standard() }).setProtectedHeader({ alg: 'PS256' }).sign(privateKey);
    const rows: [what: string, token: string, word: string][] = [
      ['a good one', good, 'ok'],
      ['none', `${encode({ alg: 'none' })}.${body}.`, 'signature'],
      ['None', `${encode({ alg: 'None' })}.${body}.${signature}`, 'signature'],
      ['no algorithm', `${encode({})}.${body}.${signature}`, 'malformed'],
      ['an algorithm from the prototype', `${encode({ alg: '__proto__' })}.${body}.${signature}`, 'signature'],
      ['HS256 with the public key', withHmac(pem), 'signature'],
      [
        'HS256 with the public key in DER',
        withHmac(publicKey.export({ type: 'spki', format: 'der' }).toString('latin1')),
        'signature',
      ],
      ['RS256 with an HMAC', withHmac(pem, 'RS256'), 'signature'],
      ['another algorithm of the same key', otherAlgorithm, 'signature'],
      ['another key in jwk, jku, x5u and kid', remember(byThief), 'signature'],
      [
        'the right key, and jwk of another',
        await signed({}, { jwk, jku: 'http://127.0.0.1:1', x5u: 'x', kid: '/etc/passwd' }),
        'ok',
      ],
      ['crit', await signed({}, { crit: ['exp'], exp: 1 }), 'malformed'],
      ['crit that is empty', await signed({}, { crit: [] }), 'malformed'],
      ['b64: false', await signed({}, { crit: ['b64'], b64: false }), 'malformed'],
      ['expired', await signed({ exp: seconds() - 60 }), 'expired'],
      ['a negative end', await signed({ exp: -1 }), 'expired'],
      ['no end that a number can have', await signed(raw('"exp":1e400')), 'ok'],
      ['an end far away', await signed({ exp: 1e15 }), 'ok'],
      ['an end that is a text', await signed({ exp: '2099-01-01' }), 'malformed'],
      ['an end that is null', await signed({ exp: null }), 'malformed'],
      ['not yet valid', await signed({ nbf: seconds() + 600 }), 'not_yet'],
      ['another audience', await signed({ aud: 'other' }), 'audience'],
      ['no audience', await signed({ aud: undefined }), 'audience'],
      ['nested audiences', await signed({ aud: [['sisyphus']] }), 'audience'],
      ['another issuer', await signed({ iss: 'https://issuer.example.attacker.example' }), 'audience'],
      ['the last of two members', await signed(raw('"sub":"1:channels"')), 'malformed'],
      ['nested users', await signed({ sub: [['7']] }), 'malformed'],
      ['a deep user', await signed(raw(`"sub":${'['.repeat(10_000)}${']'.repeat(10_000)}`)), 'malformed'],
      ['channels that are none', await signed({ channels: { length: 1, 0: 'room:1' } }), 'malformed'],
      ['channels of patterns', await signed({ channels: ['*', 'user:*', ['room:1'], 7] }), 'ok'],
      ['claims that are an array', await signed('["7"]'), 'malformed'],
      ['claims that are null', await signed('null'), 'malformed'],
      ['claims behind the prototype', await signed('{"__proto__":{"sub":"7"}}'), 'audience'],
      ['a byte less', good.slice(0, -2), 'signature'],
      ['a character less', good.slice(0, -1), 'malformed'],
      ['half of it', good.slice(0, good.length / 2), 'malformed'],
      ['no signature', `${head}.${body}.`, 'signature'],
      ['other claims', `${head}.${encode({ ...standard(), sub: '8' })}.${signature}`, 'signature'],
      ['five parts', `${good}.a.b`, 'malformed'],
      ['dots', '....', 'malformed'],
      ['60 kB', `${good}${'A'.repeat(60_000)}`, 'signature'],
      ['no base64', '%%%.%%%.%%%', 'malformed'],
    ];
    for (const [what, token, word] of rows) expect(await asWord(remember(token)), what).to.equal(word);
    // The channels of the token that are patterns are no channels.
    await world.publish.fcall('room:secret', 'x');
  });

  it('is refused with the whole head if it has a megabyte, and when it is repeated', async () => {
    const good = await signed({});
    const { port } = world.gateway;
    expect(await wordOf({ port, path: '/', headers: { Authorization: `Bearer ${'A'.repeat(1_000_000)}` } })).to.equal(
      'headers_too_large',
    );
    expect(await wordOf({ port, path: `/?access_token=${'A'.repeat(100_000)}` })).to.equal('headers_too_large');
    const both: [string, string][] = [
      ['Authorization', `Bearer ${good}`],
      ['Authorization', `Bearer ${good}`],
    ];
    expect(await wordOf({ port, path: '/', headers: both })).to.equal('malformed');
    expect(await wordOf({ port, path: `/?access_token=${good}&access_token=${good}` })).to.equal('malformed');
    expect(await wordOf({ port, path: '/?access_token=' })).to.equal('malformed');
    expect(await wordOf({ port, path: '/?user=7' })).to.equal('missing');
  });

  it('is never in the log', () => judgeLog(world));
});

describe('an issuer that sends its keys a byte at a time', function () {
  this.timeout(30_000);

  it('keeps nobody waiting for longer than two seconds, and is asked again', async () => {
    const issuer = new Application();
    let isSlow = true;
    const key = await issuerKey('one');
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(key.publicKey)), kid: 'one' }] });
    issuer.answer = (_request, response) => {
      if (!isSlow) json(response, jwks);
      else drip(response);
    };
    const world = await startWorld({ SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_JWKS_URL: await issuer.start() });
    try {
      const request = { port: world.gateway.port, path: `/?access_token=${await sign(key)}` };
      const began = performance.now();
      const words = await Promise.all(Array.from({ length: 20 }, () => wordOf(request)));
      expect(words).to.deep.equal(Array.from({ length: 20 }, () => 'unavailable'));
      expect(performance.now() - began).to.be.lessThan(2500);
      isSlow = false;
      await eventually(async () => (await wordOf(request)) === 'ok', 10_000);
      expect(issuer.requests.length).to.be.lessThan(5);
    } finally {
      issuer.stop();
      await world.stop();
    }
  });
});

/** What a hostile or broken application does with a request: the stream is refused with the word, in time. */
const ANSWERS: [what: string, answer: (response: ServerResponse) => void, word: string | RegExp][] = [
  ['nothing', () => {}, 'unavailable'],
  ['a byte now and then', (response) => drip(response), 'unavailable'],
  ['without an end', (response) => flood(response), 'unavailable'],
  [
    'elsewhere',
    (response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/', 'X-Sisyphus-User': '7' }).end(),
    'unavailable',
  ],
  ['with 1,000 cookies', (response) => cookies(response), 'unavailable'],
  [
    'in broken chunks',
    (response) =>
      rawAnswer(response, 'HTTP/1.1 200 OK\r\nX-Sisyphus-User: 7\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nx'),
    'unavailable',
  ],
  [
    'half',
    (response) => rawAnswer(response, 'HTTP/1.1 200 OK\r\nX-Sisyphus-User: 7\r\nContent-Length: 50\r\n\r\nhalf'),
    'unavailable',
  ],
  [
    'of two lengths',
    (response) =>
      rawAnswer(response, 'HTTP/1.1 200 OK\r\nX-Sisyphus-User: 7\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    'unavailable',
  ],
  ['that is no HTTP', (response) => rawAnswer(response, 'SSH-2.0-OpenSSH_9.2\r\n'), 'unavailable'],
  [
    '101',
    (response) => rawAnswer(response, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    'unavailable',
  ],
  ['two users', (response) => response.writeHead(200, { 'X-Sisyphus-User': ['7', '8'] }).end(), 'malformed'],
  ['with an end that is none', (response) => json(response, '{"user":"7","expires":"never"}'), 'unavailable'],
  ['with an end in the past', (response) => json(response, '{"user":"7","expires":1}'), 'expired'],
  ['deep', (response) => json(response, `{"user":"7","channels":${'['.repeat(200_000)}${']'.repeat(200_000)}}`), 'ok'],
  ['with an endless end', (response) => json(response, '{"user":"7","expires":1e400}'), 'ok'],
  ['JSON that is none', (response) => json(response, '{"user":'), 'unavailable'],
  ['an array', (response) => json(response, '["7"]'), 'unavailable'],
  ['the prototype', (response) => json(response, '{"__proto__":{"user":"7"}}'), 'missing'],
];

function json(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(text);
}

function rawAnswer(response: ServerResponse, text: string): void {
  response.socket!.end(text);
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { 'X-Sisyphus-User': '7' });
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
}

function flood(response: ServerResponse): void {
  response.writeHead(200, { 'X-Sisyphus-User': '7' });
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  };
  response.on('drain', more);
  more();
}

function cookies(response: ServerResponse): void {
  const all = Array.from({ length: 1000 }, (_, i) => `c${i}=${'x'.repeat(40)}`);
  response.writeHead(200, { 'X-Sisyphus-User': '7', 'Set-Cookie': all }).end();
}

describe('a hostile application', function () {
  this.timeout(60_000);
  const application = new Application();
  let world: World;

  before(async () => {
    world = await startWorld({
      SISYPHUS_AUTH: 'forward',
      SISYPHUS_FORWARD_URL: await application.start(),
      SISYPHUS_FORWARD_TIMEOUT: '400ms',
      SISYPHUS_RIGHTS: 'both',
      SISYPHUS_LOG_LEVEL: 'trace',
    });
  });

  after(async () => {
    application.stop();
    await world?.stop();
  });

  const ask = (): Promise<string> =>
    wordOf({
      port: world.gateway.port,
      path: '/',
      headers: { Cookie: `session=${remember(`hunter2-${Math.random()}`)}` },
    });

  it('that answers in odd ways lets nobody in, holds nobody up, and is asked on as before', async () => {
    for (const [what, answer, word] of ANSWERS) {
      application.answer = (_request, response) => answer(response);
      expect(await ask(), what).to.match(typeof word === 'string' ? new RegExp(`^${word}$`) : word);
      application.says('9');
      expect(await ask(), `after ${what}`).to.equal('ok');
    }
  });

  it('gets nothing that a client has smuggled in', async () => {
    application.says('9');
    const before = application.requests.length;
    const lines = [
      'Cookie: a=b\rX-Admin: 1',
      'Cookie: a=b\nX-Admin: 1',
      'Cookie: a=b\r\n X-Admin: 1',
      'Cookie: a=\0b',
      'Cookie: a=\x01b',
      'Cookie: a=\x7fb',
    ];
    const targets = [
      '/',
      '/?access_token=a%0d%0aX-Admin:%201',
      '/?access_token=a%0aX-Admin:%201',
      '/?access_token=a%00b',
      '/?access_token=%c4%8a',
    ];
    for (const line of [...lines, 'Cookie: a=b\r\nTransfer-Encoding: chunked\r\nContent-Length: 4']) {
      for (const target of targets) {
        const socket = new RawSocket(world.gateway.port).send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`);
        await socket.until(/^HTTP\/1\.1 (?:200|400) /);
        expect(socket.text).not.to.match(/internal| 500 /);
        socket.close();
      }
    }
    const asked = application.requests.slice(before);
    for (const headers of asked) {
      expect(headers).to.not.have.property('x-admin');
      expect(Object.keys(headers)).to.have.members(
        ['accept', 'host', 'connection', 'x-forwarded-for', 'cookie', 'authorization'].filter(
          (name) => headers[name] !== undefined,
        ),
      );
    }
  });

  it('has its secrets in no log', () => judgeLog(world));
});

describe('a spoofed header of a proxy', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({
      SISYPHUS_AUTH: 'header',
      SISYPHUS_HEADER_SECRET: remember('hunter2-hunter2-hunter2'),
      SISYPHUS_TRUSTED_PROXIES: '10.0.0.0/8',
      SISYPHUS_LOG_LEVEL: 'trace',
    });
  });

  after(() => world?.stop());

  it('is an attack from everywhere but the proxy, however it is written', async () => {
    const { port } = world.gateway;
    const secret = 'hunter2-hunter2-hunter2';
    const from = (...headers: [string, string][]): Promise<string> => wordOf({ port, path: '/?user=7', headers });
    for (const name of ['X-Sisyphus-User', 'x-sisyphus-user', 'X-SISYPHUS-USER', 'x-SiSyPhUs-UsEr']) {
      expect(await from([name, '7']), name).to.equal('untrusted');
      expect(await from([name, '7'], ['X-Forwarded-For', '10.0.0.1']), name).to.equal('untrusted');
      expect(await from([name, '7'], ['Forwarded', 'for=10.0.0.1'], ['X-Real-IP', '10.0.0.1']), name).to.equal(
        'untrusted',
      );
      expect(await from([name, '7'], ['X-Sisyphus-Secret', `${secret}x`]), name).to.equal('untrusted');
      expect(await from([name, '7'], ['X-Sisyphus-Secret', '']), name).to.equal('untrusted');
      expect(await from([name, '7'], ['X-Sisyphus-Secret', secret], ['X-Sisyphus-Secret', secret]), name).to.equal(
        'untrusted',
      );
      expect(await from([name, '7'], ['X-Sisyphus-Secret', secret]), name).to.equal('ok');
      expect(await from([name, '7'], [name, '8'], ['X-Sisyphus-Secret', secret]), name).to.equal('malformed');
    }
    for (const name of [
      'X_Sisyphus_User',
      'X-Sisyphus_User',
      'X-Sisyphus-User-',
      'X.Sisyphus.User',
      'X-Forwarded-User',
      'Remote-User',
    ]) {
      expect(await from([name, '7'], ['X-Sisyphus-Secret', secret]), name).to.equal('missing');
    }
  });

  it('is not read where a header is folded, or is no header', async () => {
    for (const lines of [
      'A: b\r\n X-Sisyphus-User: 7',
      'A: b\rX-Sisyphus-User: 7',
      'A: b\nX-Sisyphus-User: 7',
      'X-Sisyphus-User : 7',
      'X-Sisyphus-User\t: 7',
      ' X-Sisyphus-User: 7',
      'X-Sisyphus-User: 7\r\n 8',
      'X-Sisyphus-User:\x0b7',
      'X-Sisyphus-User: 7\0',
    ]) {
      const text = `GET / HTTP/1.1\r\nHost: a\r\nX-Sisyphus-Secret: hunter2-hunter2-hunter2\r\n${lines}\r\n\r\n`;
      const socket = await new RawSocket(world.gateway.port).send(text).until(/^HTTP\/1\.1 \d{3} /);
      expect(socket.text, JSON.stringify(lines)).not.to.include('<status>ok</status>');
      socket.close();
    }
  });

  it('has its secret in no log', () => judgeLog(world));
});
