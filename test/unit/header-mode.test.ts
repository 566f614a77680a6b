import { expect } from 'chai';
import type { Identity } from '../../src/auth/authenticator.ts';
import { headerMode } from '../../src/auth/header.ts';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { ranges } from '../../src/config/auth-values.ts';

describe('the user that a proxy names in a header', () => {
  const signal = new AbortController().signal;

  function ask(
    headers: string[],
    { from = '10.0.0.1', proxies = '10.0.0.0/8', secret = undefined as string | undefined } = {},
  ): Promise<Identity> {
    const options = { headerUser: 'X-Sisyphus-User', headerSecret: secret, trustedProxies: ranges(proxies) };
    return headerMode(options).authenticate(new HttpRequest('GET', '/', headers, { remoteAddress: from }), signal);
  }

  it('counts if the proxy has a trusted address, also one that is written as IPv6', async () => {
    expect(await ask(['X-SISYPHUS-USER', 'auth0|65f'])).to.deep.equal({ user: 'auth0|65f' });
    expect(await ask(['X-Sisyphus-User', '7'], { from: '::ffff:10.9.8.7' })).to.deep.equal({ user: '7' });
    const mapped = { from: '10.9.8.7', proxies: '::ffff:10.0.0.0/104' };
    expect(await ask(['X-Sisyphus-User', '7'], mapped)).to.deep.equal({ user: '7' });
    expect(await ask(['X-Sisyphus-User', '7'], { ...mapped, from: '11.9.8.7' })).to.deep.equal({
      refusal: 'untrusted',
    });
    expect(await ask(['X-Sisyphus-User', '7'], { from: 'fd00::5', proxies: 'fd00::/8' })).to.deep.equal({ user: '7' });
    expect(await ask(['X-Sisyphus-User', '7'], { from: '10.0.0.7', proxies: '10.0.0.7' })).to.deep.equal({ user: '7' });
  });

  it('counts if the proxy knows the secret', async () => {
    const options = { from: '192.0.2.1', secret: 'abc' };
    expect(await ask(['X-Sisyphus-User', '7', 'X-Sisyphus-Secret', 'abc'], options)).to.deep.equal({ user: '7' });
    for (const secrets of [['abd'], ['abc', 'abc'], [''], ['ab'], ['abc ']]) {
      const headers = ['X-Sisyphus-User', '7', ...secrets.flatMap((text) => ['X-Sisyphus-Secret', text])];
      expect(await ask(headers, options), secrets.join()).to.deep.equal({ refusal: 'untrusted' });
    }
  });

  it('is refused from anywhere else, whatever the request says of its way', async () => {
    for (const from of ['192.0.2.1', '11.0.0.1', '::1', 'fd00::1', undefined]) {
      const options = { ...(from && { from }) };
      const headers = ['X-Sisyphus-User', '7', 'X-Forwarded-For', '10.0.0.1', 'X-Sisyphus-Secret', ''];
      expect(await ask(headers, from ? options : { from: '' })).to.deep.equal({ refusal: 'untrusted' });
    }
  });

  it('is nobody without a value, and malformed if it is repeated or is no user id', async () => {
    expect(await ask([])).to.deep.equal({ refusal: 'missing' });
    expect(await ask(['X-Sisyphus-User', ''])).to.deep.equal({ refusal: 'missing' });
    for (const users of [['7', '8'], ['7, 8'], ['1:channels'], ['*'], ['../'], ['a b'], ['7', '7']]) {
      const headers = users.flatMap((user) => ['X-Sisyphus-User', user]);
      expect(await ask(headers), users.join()).to.deep.equal({ refusal: 'malformed' });
    }
  });
});
