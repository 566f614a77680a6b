import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { decodeProtectedHeader, SignJWT } from 'jose';
import type { Authenticator, Identity } from '../../src/auth/authenticator.ts';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { type JwtOptions, jwtMode } from '../../src/auth/jwt.ts';
import { type IssuerKey, issuerKey, JwksServer, sign } from '../support/jwks-server.ts';

const SECRET = 'a-shared-secret-of-more-than-32-bytes';
const NONE: JwtOptions = {
  jwtSecret: undefined,
  jwtKey: undefined,
  jwtJwksUrl: undefined,
  jwtAlgorithms: undefined,
  jwtIssuer: undefined,
  jwtAudience: undefined,
  jwtUserClaim: 'sub',
  cookie: undefined,
};
const now = (): number => Math.floor(Date.now() / 1000);

function hs256(claims: object, header: object = {}): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(new TextEncoder().encode(SECRET));
}

/** A token of any text, without what a library would refuse to write. */
function forge(header: object, claims: object, signature = ''): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${encode(header)}.${encode(claims)}.${signature}`;
}

describe('a token of an issuer', () => {
  let said: string[];

  beforeEach(() => {
    said = [];
  });

  function mode(options: Partial<JwtOptions>, cooldown?: number): Authenticator {
    return jwtMode({ ...NONE, ...options }, (text) => said.push(text), cooldown);
  }

  function ask(authenticator: Authenticator, token: string): Promise<Identity> {
    const request = new HttpRequest('GET', '/', ['Authorization', `Bearer ${token}`], {});
    return authenticator.authenticate(request, new AbortController().signal);
  }

  describe('signed with a shared secret', () => {
    it('says who the user is, until when, and which channels the credential allows', async () => {
      const jwt = mode({ jwtSecret: SECRET });
      const exp = now() + 60;
      expect(await ask(jwt, await hs256({ sub: 'auth0|65f', exp }))).to.deep.equal({
        user: 'auth0|65f',
        expires: exp * 1000,
      });
      expect(await ask(jwt, await hs256({ sub: '7', channels: ['room:1', 'room:1', 'room:2'] }))).to.deep.equal({
        user: '7',
        expires: undefined,
        channels: ['room:1', 'room:2'],
      });
    });

    it('is found in the header, in the query, or in the cookie that is configured; without one the client is nobody', async () => {
      const jwt = mode({ jwtSecret: SECRET, cookie: 'session' });
      const token = await hs256({ sub: '7' });
      const signal = new AbortController().signal;
      const by = (target: string, headers: string[] = []): Promise<Identity> =>
        jwt.authenticate(new HttpRequest('GET', target, headers, {}), signal);
      for (const identity of [
        await by('/', ['authorization', `bearer   ${token}`]),
        await by(`/?access_token=${token}`),
        await by('/', ['Cookie', `other=1; session=${token}`]),
        await by('/', ['Cookie', `session="${token}"`]),
        await by(`/?access_token=${token}`, ['Cookie', 'session=old']),
        await by('/', ['Authorization', 'Basic eDp5', 'Cookie', `session=${token}`]),
      ]) {
        expect(identity).to.include({ user: '7' });
      }
      for (const nobody of [
        await by('/'),
        await by('/', ['Cookie', 'other=1; xsession=2']),
        await by('/', ['Authorization', 'Basic eDp5']),
      ]) {
        expect(nobody).to.deep.equal({ refusal: 'missing' });
      }
      for (const bad of [
        await by('/?access_token='),
        await by(`/?access_token=${token}&access_token=${token}`),
        await by('/', ['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`]),
        await by('/', ['Authorization', 'Bearer']),
        await by('/', ['Cookie', 'session=']),
        await by('/?access_token=a%20b'),
      ]) {
        expect(bad).to.deep.equal({ refusal: 'malformed' });
      }
    });

    it('is refused with the reason', async () => {
      const jwt = mode({ jwtSecret: SECRET, jwtIssuer: ['https://id.example'], jwtAudience: ['sisyphus', 'app'] });
      const good = { sub: '7', iss: 'https://id.example', aud: ['other', 'app'] };
      expect(await ask(jwt, await hs256(good))).to.include({ user: '7' });
      const [head, body, signature] = (await hs256(good)).split('.') as [string, string, string];
      const claims = Buffer.from(JSON.stringify({ ...good, sub: '8' })).toString('base64url');
      const cases: [string, string][] = [
        [await hs256({ ...good, exp: now() - 60 }), 'expired'],
        [await hs256({ ...good, nbf: now() + 60 }), 'not_yet'],
        [await hs256({ ...good, aud: 'another' }), 'audience'],
        [await hs256({ sub: '7', iss: good.iss }), 'audience'],
        [await hs256({ ...good, iss: 'https://evil.example' }), 'audience'],
        [`${head}.${claims}.${signature}`, 'signature'],
        [`${head}.${body}.`, 'signature'],
        [`${head}.${body}.${signature.slice(0, -4)}`, 'signature'],
        [forge({ alg: 'none' }, good), 'signature'],
        [forge({ alg: 'None' }, good), 'signature'],
        [await new SignJWT(good).setProtectedHeader({ alg: 'HS512' }).sign(Buffer.from(SECRET)), 'signature'],
        [await hs256({ ...good, exp: 'tomorrow' }), 'malformed'],
        [await hs256({ iss: good.iss, aud: 'app' }), 'malformed'],
        [`${head}.${body}`, 'malformed'],
        ['x', 'malformed'],
        ['..', 'malformed'],
        ['a'.repeat(60_000), 'malformed'],
      ];
      for (const [token, refusal] of cases) {
        expect(await ask(jwt, token), token.slice(0, 80)).to.deep.equal({ refusal });
      }
    });

    it('may have been issued by a clock that is a moment ahead, and ends at its second all the same', async () => {
      const jwt = mode({ jwtSecret: SECRET });
      expect(await ask(jwt, await hs256({ sub: '7', nbf: now() + 3 }))).to.include({ user: '7' });
      // Identification compares the time exactly.
      const exp = now() - 2;
      expect(await ask(jwt, await hs256({ sub: '7', exp }))).to.include({ expires: exp * 1000 });
    });

    it('has the user in the claim that is configured; one that is no user id is named for the operator', async () => {
      const jwt = mode({ jwtSecret: SECRET, jwtUserClaim: 'https://app.example/user_id' });
      expect(await ask(jwt, await hs256({ sub: 'x', 'https://app.example/user_id': 42 }))).to.include({ user: '42' });
      expect(said).to.deep.equal([]);
      const plain = mode({ jwtSecret: SECRET });
      for (const sub of ['urn:user:7', '1:channels', '', 'a b', '../x*', 'x'.repeat(129)]) {
        said = [];
        expect(await ask(plain, await hs256({ sub }))).to.deep.equal({ refusal: 'malformed' });
        expect(said).to.have.length(1);
        expect(said[0]).to.match(/^the claim sub of a token is ".*no user id.*SISYPHUS_JWT_USER_CLAIM/);
      }
      const proto = mode({ jwtSecret: SECRET, jwtUserClaim: 'constructor' });
      expect(await ask(proto, await hs256({ sub: '7' }))).to.deep.equal({ refusal: 'malformed' });
    });

    it('names channels exactly: a list that is none is refused, and names that are none are left out and told', async () => {
      const jwt = mode({ jwtSecret: SECRET });
      expect(await ask(jwt, await hs256({ sub: '7', channels: 'room:1' }))).to.deep.equal({ refusal: 'malformed' });
      expect(
        await ask(jwt, await hs256({ sub: '7', channels: ['room:1', 'room:*', 7, 'sisyphus:x'] })),
      ).to.deep.include({
        channels: ['room:1'],
      });
      expect(said).to.have.length(2);
      expect(said[1]).to.include('"room:*"');
    });
  });

  describe('signed with a private key', () => {
    const pairs: [string, { publicKey: KeyObject; privateKey: KeyObject }][] = [
      ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
      ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
      ['EdDSA', generateKeyPairSync('ed25519')],
    ];

    for (const [alg, { publicKey, privateKey }] of pairs) {
      it(`is verified with the public one (${alg}), which is no shared secret for anybody`, async () => {
        const jwt = mode({ jwtKey: publicKey });
        const token = await new SignJWT({ sub: '7' }).setProtectedHeader({ alg }).sign(privateKey);
        expect(await ask(jwt, token)).to.include({ user: '7' });
        // Whoever knows the public key signs with it as if it were the secret of an HMAC.
        for (const secret of [
          publicKey.export({ type: 'spki', format: 'pem' }),
          publicKey.export({ type: 'spki', format: 'der' }),
        ]) {
          const forged = forge({ alg: 'HS256', typ: 'JWT' }, { sub: '1' });
          const signature = createHmac('sha256', secret).update(forged.slice(0, -1)).digest('base64url');
          expect(await ask(jwt, forged + signature)).to.deep.equal({ refusal: 'signature' });
        }
        // The key was not even tried, so the operator is not told that it cannot be used.
        expect(said).to.deep.equal([]);
      });
    }
  });

  describe('signed with a key that the issuer publishes', () => {
    let issuer: JwksServer;
    let url: string;
    let first: IssuerKey;

    beforeEach(async () => {
      issuer = new JwksServer();
      first = await issuerKey('first');
      issuer.keys = [first];
      url = await issuer.start();
    });

    afterEach(() => issuer.stop());

    it('is verified with the key that it names; the keys are read once', async () => {
      const jwt = mode({ jwtJwksUrl: url });
      for (let i = 0; i < 3; i++) expect(await ask(jwt, await sign(first))).to.include({ user: '7' });
      expect(issuer.requests).to.equal(1);
    });

    it('is refused if no key has that name, even one that is a path, and the issuer is not asked again for each', async () => {
      const jwt = mode({ jwtJwksUrl: url });
      const stranger = await issuerKey('../../etc/passwd');
      for (let i = 0; i < 5; i++) expect(await ask(jwt, await sign(stranger))).to.deep.equal({ refusal: 'signature' });
      expect(issuer.requests).to.equal(1);
      const thief = { ...(await issuerKey('x')), kid: 'first' };
      expect(await ask(jwt, await sign(thief))).to.deep.equal({ refusal: 'signature' });
    });

    it('is verified with a key that came after the others were read', async () => {
      const jwt = mode({ jwtJwksUrl: url }, 200);
      await ask(jwt, await sign(first));
      const second = await issuerKey('second');
      issuer.keys = [second];
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(await ask(jwt, await sign(second))).to.include({ user: '7' });
      expect(issuer.requests).to.equal(2);
      expect(await ask(jwt, await sign(first))).to.deep.equal({ refusal: 'signature' });
    }).timeout(10_000);

    it('is still good while the keys cannot be read; what only new keys could tell is unavailable', async () => {
      const jwt = mode({ jwtJwksUrl: url }, 200);
      issuer.isDown = true;
      expect(await ask(jwt, await sign(first))).to.deep.equal({ refusal: 'unavailable' });
      expect(said[0]).to.match(/^the keys at 127\.0\.0\.1:\d+ cannot be read: /);
      issuer.isDown = false;
      expect(await ask(jwt, await sign(first))).to.include({ user: '7' });
      issuer.isDown = true;
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(await ask(jwt, await sign(await issuerKey('second')))).to.deep.equal({ refusal: 'unavailable' });
      expect(await ask(jwt, await sign(first))).to.include({ user: '7' });
    }).timeout(10_000);

    it('need not name its key: each one is tried', async () => {
      const second = await issuerKey('second');
      issuer.keys = [first, second];
      const jwt = mode({ jwtJwksUrl: url });
      const token = await sign(second, {}, false);
      expect(decodeProtectedHeader(token)).not.to.have.property('kid');
      expect(await ask(jwt, token)).to.include({ user: '7' });
      expect(await ask(jwt, await sign(await issuerKey('x'), {}, false))).to.deep.equal({ refusal: 'signature' });
      expect(await ask(jwt, await sign(second, { exp: now() - 60 }, false))).to.deep.equal({ refusal: 'expired' });
    });
  });
});
