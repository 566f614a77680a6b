import { expect } from 'chai';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { ranges } from '../../src/config/auth-values.ts';
import { perAddress } from '../../src/config/values.ts';
import { ClientLimits, type ClientLimitsOptions } from '../../src/http/client-limits.ts';
import { Rate } from '../../src/limits/rate.ts';

describe('the limits of clients', () => {
  function limits(options: Partial<ClientLimitsOptions> = {}): ClientLimits {
    const limit = perAddress('3');
    const fixed = {
      trustedProxies: [],
      maxStreamsPerAddress: limit,
      maxFailures: limit,
      maxOpens: 3,
      logAddresses: 'on' as const,
    };
    return new ClientLimits({ ...fixed, ...options });
  }

  function request(from: string | undefined, ...forwarded: string[]): HttpRequest {
    const headers = forwarded.flatMap((value) => ['X-Forwarded-For', value]);
    return new HttpRequest('GET', '/', headers, { remoteAddress: from });
  }

  it('count all addresses, or only those of the internet, each limit by itself', () => {
    const some = limits({ maxStreamsPerAddress: perAddress('3 public') });
    for (const address of [
      '127.0.0.1',
      '::1',
      '::ffff:10.1.2.3',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.1.1',
      '100.64.0.1',
    ]) {
      const { streams, failures } = some.counted(request(address));
      expect([streams, failures], address).to.deep.equal([
        undefined,
        address.replace('::ffff:', '').replace(/^::1$/, '0:0:0:0::/64'),
      ]);
    }
    for (const address of ['fd00::1', 'fe80::1%eth0'])
      expect(some.counted(request(address)).streams).to.equal(undefined);
    expect(some.counted(request('203.0.113.9')).streams).to.equal('203.0.113.9');
    expect(some.counted(request(undefined))).to.deep.equal({
      streams: undefined,
      failures: undefined,
      shown: undefined,
    });
  });

  it('count the client behind a trusted proxy, and nothing that a stranger says', () => {
    const behind = limits({ trustedProxies: ranges('10.0.0.0/8') });
    expect(behind.counted(request('10.0.0.1', '192.0.2.1, 203.0.113.9')).streams).to.equal('203.0.113.9');
    expect(behind.counted(request('198.51.100.1', '203.0.113.9')).streams).to.equal('198.51.100.1');
  });

  it('show the address as it is counted, also one that is not counted, unless that is switched off', () => {
    const options = { trustedProxies: ranges('10.0.0.0/8'), maxStreamsPerAddress: perAddress('3 public') };
    const some = limits(options);
    expect(some.counted(request('10.0.0.1', '192.168.1.1')).shown).to.equal('192.168.1.1');
    expect(some.counted(request('2001:db8::7')).shown).to.equal('2001:db8:0:0::/64');
    const none = limits({ ...options, logAddresses: 'off' });
    expect(none.counted(request('203.0.113.9'))).to.deep.equal({
      streams: '203.0.113.9',
      failures: '203.0.113.9',
      shown: undefined,
    });
  });

  it('let as many streams be opened in a second as are allowed', async () => {
    const some = limits();
    const may = [await some.mayOpen(), await some.mayOpen(), await some.mayOpen(), await some.mayOpen()];
    expect(may).to.deep.equal([true, true, true, false]);
  });

  it('look at no credential of an address after as many bad ones as are allowed, and at those of others', async () => {
    const some = limits();
    const guesser = some.counted(request('2001:db8::1'));
    for (const refusal of ['signature', 'malformed'] as const) await some.failed(guesser, refusal);
    for (const refusal of ['expired', 'missing', 'not_yet', 'audience', 'unavailable', 'capacity'] as const) {
      for (let i = 0; i < 5; i++) await some.failed(guesser, refusal);
    }
    expect(await some.waitOf(guesser)).to.equal(0);
    await some.failed(some.counted(request('2001:db8::2')), 'untrusted');
    expect(await some.waitOf(guesser)).to.be.within(50_000, 60_000);
    expect(await some.waitOf(some.counted(request('2001:db8:0:1::1')))).to.equal(0);
    const refused = some.counted(request('203.0.113.9'));
    for (let i = 0; i < 3; i++) await some.failed(refused, i === 1 ? 'revoked' : 'refused');
    expect(await some.waitOf(refused)).to.be.above(0);
  });

  it('count no more than 20,000 new addresses in a minute, and go on counting those that they know', async () => {
    const some = limits();
    const before = { streams: undefined, failures: 'known', shown: undefined };
    const after = { streams: undefined, failures: 'late', shown: undefined };
    await some.failed(before, 'signature');
    for (let i = 0; i < 20_000; i++) await some.failed({ ...before, failures: `a${i}` }, 'signature');
    for (let i = 0; i < 3; i++) {
      await some.failed(before, 'signature');
      await some.failed(after, 'signature');
    }
    expect(await some.waitOf(before)).to.be.above(0);
    expect(await some.waitOf(after)).to.equal(0);
  });
});

describe('a rate', () => {
  it('lets so many through in its time, each key by itself, and forgets a key after it', async () => {
    const rate = new Rate(2, 0.1);
    expect([await rate.take('a'), await rate.take('a'), await rate.take('b')]).to.deep.equal([0, 0, 0]);
    expect(await rate.take('a')).to.be.within(1, 100);
    expect([await rate.wait('b'), await rate.wait('c')]).to.deep.equal([0, 0]);
    expect(await rate.wait('a')).to.be.within(1, 100);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([await rate.has('a'), await rate.has('b'), await rate.take('a')]).to.deep.equal([false, false, 0]);
  });
});
