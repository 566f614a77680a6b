import { generateKeyPairSync } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { exportJWK, SignJWT } from 'jose';
import type { Identity } from '../../src/auth/authenticator.ts';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { jwtMode } from '../../src/auth/jwt.ts';
import { type IssuerKey, issuerKey, sign } from '../support/jwks-server.ts';
import { Stopwatch } from '../support/stopwatch.ts';

/** A token that was signed by somebody who has taken a key that the library would not sign with. */
function forge(header: object, sign: (text: string) => Buffer): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode(header)}.${encode({ sub: '7' })}`;
  return `${text}.${sign(text).toString('base64url')}`;
}

describe('the keys of an issuer that is hostile or broken', () => {
  let server: Server;
  let requests: number;
  let answer: RequestListener;
  let said: string[];
  let key: IssuerKey;
  let ask: (token: string) => Promise<Identity>;

  before(async () => {
    key = await issuerKey('one');
  });

  beforeEach(async () => {
    [requests, said] = [0, []];
    server = createServer((request, response) => {
      requests++;
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwt = jwtMode(
      {
        ...{ jwtSecret: undefined, jwtKey: undefined, jwtAlgorithms: undefined, jwtIssuer: undefined },
        ...{ jwtAudience: undefined, jwtUserClaim: 'sub', cookie: undefined },
        jwtJwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
      },
      (text) => said.push(text),
    );
    ask = (token) =>
      jwt.authenticate(
        new HttpRequest('GET', '/', ['Authorization', `Bearer ${token}`], {}),
        new AbortController().signal,
      );
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function publish(...keys: object[]): Promise<void> {
    const all = [...keys, { ...(await exportJWK(key.publicKey)), kid: 'one', alg: 'ES256' }];
    answer = (_request, response) => response.end(JSON.stringify({ keys: all }));
  }

  it('are not read to the end of an answer that has none', async () => {
    let sent = 0;
    answer = (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) sent += 65_536;
      };
      response.on('drain', more);
      more();
    };
    expect(await ask(await sign(key))).to.deep.equal({ refusal: 'unavailable' });
    expect(said[0]).to.match(/cannot be read: the answer is larger than 1048576 bytes$/);
    expect(sent).to.be.lessThan(32 * 1_048_576);
  });

  it('are not followed elsewhere, and what is no set of keys is unavailable', async () => {
    const answers: RequestListener[] = [
      (_request, response) => response.writeHead(302, { Location: '/other' }).end(),
      (_request, response) => response.end('<html>'),
      (_request, response) => response.end('{"keys":7}'),
      (_request, response) => response.end(`${'['.repeat(50_000)}${']'.repeat(50_000)}`),
      (_request, response) => response.destroy(),
      (_request, response) => response.writeHead(200, { 'Content-Length': '50' }).write('{', () => response.destroy()),
    ];
    const token = await sign(key);
    for (answer of answers) expect(await ask(token)).to.deep.equal({ refusal: 'unavailable' });
    expect(requests).to.equal(answers.length);
    for (const text of said) expect(text).to.match(/^the keys at 127\.0\.0\.1:\d+ cannot be read: /);
    // The type of the answer does not matter, as long as it is one.
    const right = JSON.stringify({ keys: [{ ...(await exportJWK(key.publicKey)), kid: 'one' }] });
    answer = (_request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(right);
    expect(await ask(token)).to.include({ user: '7' });
  }).timeout(10_000);

  it('are asked for at most twice a second while they cannot be read, however many tokens come', async () => {
    answer = (_request, response) => response.writeHead(503).end();
    const token = await sign(key);
    const until = performance.now() + 1300;
    while (performance.now() < until) await Promise.all(Array.from({ length: 10 }, () => ask(token)));
    expect(requests).to.be.within(2, 4);
  });

  it('may be thousands, and cost a token that names none of them little', async () => {
    const others = await Promise.all(
      Array.from({ length: 30 }, async () => exportJWK((await issuerKey('x')).publicKey)),
    );
    await publish(...Array.from({ length: 3000 }, (_, i) => ({ ...others[i % 30], kid: `k${i}` })));
    expect(await ask(await sign(key))).to.include({ user: '7' });
    const watch = new Stopwatch();
    expect(await ask(await sign(key, {}, false))).to.deep.equal({ refusal: 'signature' });
    expect(watch.elapsed).to.be.lessThan(500);
    expect(said[0]).to.match(/more than 20 may have signed them: expected tokens with a kid$/);
  }).timeout(10_000);

  it('that are shared secrets, or too short, have signed nothing', async () => {
    const secret = Buffer.from('a-shared-secret-of-more-than-32-bytes');
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    await publish(
      { kty: 'oct', k: secret.toString('base64url'), kid: 'secret' },
      { ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak' },
      { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'broken' },
      { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'no point' },
    );
    const shared = await new SignJWT({ sub: '7' }).setProtectedHeader({ alg: 'HS256', kid: 'secret' }).sign(secret);
    expect(await ask(shared)).to.deep.equal({ refusal: 'signature' });
    const { createSign } = await import('node:crypto');
    const byWeak = (text: string) => createSign('RSA-SHA256').update(text).sign(weak.privateKey);
    for (const kid of ['weak', 'broken', undefined]) {
      expect(await ask(forge({ alg: 'RS256', kid }, byWeak)), kid).to.deep.equal({ refusal: 'signature' });
    }
    expect(await ask(forge({ alg: 'ES256', kid: 'no point' }, () => Buffer.alloc(64)))).to.deep.equal({
      refusal: 'signature',
    });
    expect(await ask(await sign(key))).to.include({ user: '7' });
  });
});
