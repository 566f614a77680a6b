import { expect } from 'chai';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { TrustedProxies } from '../../src/auth/trusted-proxies.ts';
import { ranges } from '../../src/auth-values.ts';

describe('the address of a client', () => {
  function clientOf(
    from: string | undefined,
    forwarded: string[],
    proxies = '10.0.0.0/8, fd00::/8',
  ): string | undefined {
    const headers = forwarded.flatMap((value) => ['X-Forwarded-For', value]);
    const request = new HttpRequest('GET', '/', headers, { remoteAddress: from });
    return new TrustedProxies(ranges(proxies)).clientOf(request)?.toString();
  }

  it('is that of the connection, unless a trusted proxy has connected', () => {
    expect(clientOf('192.0.2.1', ['198.51.100.7'])).to.equal('192.0.2.1');
    expect(clientOf('::ffff:192.0.2.1', ['198.51.100.7'])).to.equal('192.0.2.1');
    expect(clientOf('10.0.0.1', ['198.51.100.7'], '')).to.equal('10.0.0.1');
    expect(clientOf(undefined, ['198.51.100.7'])).to.equal(undefined);
  });

  it('is the last address in X-Forwarded-For that is no trusted proxy: the ones before it are only said', () => {
    expect(clientOf('10.0.0.1', ['198.51.100.7'])).to.equal('198.51.100.7');
    expect(clientOf('::ffff:10.0.0.1', ['203.0.113.9, 198.51.100.7, 10.2.3.4'])).to.equal('198.51.100.7');
    expect(clientOf('fd00::1', ['203.0.113.9', '198.51.100.7', 'fd00::2'])).to.equal('198.51.100.7');
    expect(clientOf('10.0.0.1', ['10.0.0.2'])).to.equal('10.0.0.2');
  });

  it('may have a port or brackets, and nothing unreadable is believed', () => {
    expect(clientOf('10.0.0.1', ['198.51.100.7:4711'])).to.equal('198.51.100.7');
    expect(clientOf('10.0.0.1', ['[2001:db8::1]:4711'])).to.equal('2001:db8::1');
    expect(clientOf('10.0.0.1', ['[2001:db8::1]'])).to.equal('2001:db8::1');
    for (const text of ['unknown', '', '_hidden', '1.2.3', '<script>']) {
      expect(clientOf('10.0.0.1', [`198.51.100.7, ${text}`]), text).to.equal('10.0.0.1');
    }
  });
});
