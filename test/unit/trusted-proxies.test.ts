import { expect } from 'chai';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { networkOf, TrustedProxies } from '../../src/auth/trusted-proxies.ts';
import { ranges } from '../../src/config/auth-values.ts';

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

  it('is read as ipaddr.js reads it, in every notation', () => {
    const notations = fc.oneof(
      fc.ipV6(),
      fc.ipV4(),
      fc.ipV4().map((text) => `::ffff:${text}`),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(notations, (text) => {
        const isKnown = ipaddr.IPv4.isValidFourPartDecimal(text) || (ipaddr.IPv6.isValid(text) && !text.includes('%'));
        const expected = isKnown ? ipaddr.process(text).toString() : undefined;
        const found = clientOf(text, []);
        // ipaddr.js takes `::192.0.2.1` for `::ffff:192.0.2.1`, which is another address (RFC 4291, 2.5.5.1).
        if (/^::\d+\./.test(text)) return;
        // Octets and groups with leading zeros are refused, because some read them as octal.
        if (found !== undefined || !/(^|[.:])0\d/.test(text)) expect(found).to.equal(expected);
      }),
      { numRuns: 2000 },
    );
    expect(clientOf('fe80::1%eth0', [])).to.equal('fe80::1');
    expect(clientOf('::', [])).to.equal('::');
  });
});

describe('by what a client is counted', () => {
  function networkOfText(text: string): ReturnType<typeof networkOf> {
    const request = new HttpRequest('GET', '/', [], { remoteAddress: text });
    return networkOf(new TrustedProxies([]).clientOf(request)!);
  }

  it('is its IPv4 address, or its IPv6 network of 64 bits', () => {
    const key = (text: string): string => networkOfText(text).key;
    expect(key('203.0.113.9')).to.equal('203.0.113.9');
    expect(key('::ffff:203.0.113.9')).to.equal('203.0.113.9');
    expect(key('64:ff9b::203.0.113.9'), 'translated by a NAT64').to.equal('203.0.113.9');
    expect(key('2001:db8:1:2:3:4:5:6')).to.equal(key('2001:db8:1:2::9')).and.equal('2001:db8:1:2::/64');
    expect(key('2001:db8:1:3::9')).not.to.equal(key('2001:db8:1:2::9'));
  });

  it('is public unless an operator may have it inside', () => {
    const inside = ['127.0.0.1', '::1', '10.0.0.1', 'fd00::1', 'fe80::1', '100.64.0.1', '64:ff9b::10.0.0.1'];
    for (const text of inside) expect(networkOfText(text).isPublic, text).to.equal(false);
    const outside = ['203.0.113.9', '2001:db8::1', '64:ff9b::203.0.113.9', '2002:cb00:7109::1'];
    for (const text of outside) expect(networkOfText(text).isPublic, text).to.equal(true);
  });
});
