import { expect } from 'chai';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { tokenMode } from '../../src/auth/token.ts';
import { SisyphusError } from '../../src/errors.ts';
import { newToken, parseToken, type TokenHash, type TokenState } from '../../src/message/token.ts';

const NEVER = new AbortController().signal;

describe('SISYPHUS_AUTH=token', () => {
  let asked: TokenHash[];
  let state: TokenState | Error;
  let told: string[];

  beforeEach(() => {
    [asked, state, told] = [[], 'unknown', []];
  });

  function ask(target: string, headers: string[] = []) {
    const read = async (tokens: TokenHash[]): Promise<TokenState[]> => {
      asked.push(...tokens);
      if (state instanceof Error) throw state;
      return tokens.map(() => state as TokenState);
    };
    const mode = tokenMode({ cookie: 'ticket' }, { read }, (problem) => told.push(problem));
    return mode.authenticate(new HttpRequest('GET', target, headers, {}), NEVER);
  }

  it('is the user of the token, until the token ends, wherever the token is', async () => {
    const { token, hash } = newToken('auth0|7');
    state = 60_000;
    const before = Date.now();
    for (const [target, headers] of [
      [`/?access_token=${token}`, []],
      ['/?user=8', ['Authorization', `Bearer ${token}`]],
      ['/', ['Cookie', `ticket=${token}`]],
    ] as [string, string[]][]) {
      const identity = await ask(target, headers);
      expect(identity).to.include({ user: 'auth0|7', credential: hash });
      expect(identity)
        .to.have.property('expires')
        .within(before + 60_000, Date.now() + 60_000);
    }
    expect(asked).to.deep.equal(Array.from({ length: 3 }, () => ({ user: 'auth0|7', hash })));
  });

  it('refuses what has ended, what was revoked, and what is not known', async () => {
    const { token } = newToken('7');
    for (const [said, refusal] of [
      ['expired', 'expired'],
      ['revoked', 'revoked'],
      ['unknown', 'refused'],
    ] as const) {
      state = said;
      expect(await ask(`/?access_token=${token}`)).to.deep.equal({ refusal });
    }
  });

  it('looks up nothing that is no token, and says no more of it than of one that is not known', async () => {
    const { token } = newToken('7');
    const secret = token.split('.')[1]!;
    for (const text of [
      'x',
      secret,
      `N1.${secret}`,
      `Nw.${secret}x`,
      `Og.${secret}`,
      `${token}.x`,
      'eyJh.eyJz.c2ln',
      'A'.repeat(60_000),
    ])
      expect(await ask(`/?access_token=${text}`), text.slice(0, 60)).to.deep.equal({ refusal: 'refused' });
    expect(await ask(`/?access_token=${token}&access_token=${token}`)).to.deep.equal({ refusal: 'malformed' });
    expect(await ask('/')).to.deep.equal({ refusal: 'missing' });
    expect(asked).to.deep.equal([]);
  });

  it('is unavailable, and not a failure, if tokens cannot be looked up', async () => {
    const { token } = newToken('7');
    state = new SisyphusError('redis_unavailable', 'away');
    expect(await ask(`/?access_token=${token}`)).to.deep.equal({ refusal: 'unavailable' });
    expect(told).to.deep.equal([]);
    state = new SisyphusError('redis_refused', 'denied');
    expect(await ask(`/?access_token=${token}`)).to.deep.equal({ refusal: 'unavailable' });
    expect(told).to.deep.equal(['tokens cannot be looked up: denied']);
  });

  it('has tokens of 256 random bits that nothing has to escape, for any user', () => {
    for (const user of ['7', '-', 'a+b|c@d', 'x'.repeat(128), '__proto__']) {
      const { token, hash } = newToken(user);
      expect(token).to.match(/^[\w-]+\.[\w-]{43}$/);
      expect(parseToken(token)).to.deep.equal({ user, hash });
    }
    expect(new Set(Array.from({ length: 100 }, () => newToken('7').token))).to.have.property('size', 100);
  });
});
