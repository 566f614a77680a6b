import { expect } from 'chai';
import { exposureOf, shortSecret, unshared } from '../../src/exposure.ts';

describe('an address to listen on', () => {
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1']) {
    it(`is nobody else's business: ${address}`, () => {
      expect(exposureOf({ auth: 'open', host: 'h' }, address)).to.equal(undefined);
    });
  }

  for (const address of ['0.0.0.0', '::', '10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', '2001:db8::1']) {
    it(`lets everybody read as anybody with SISYPHUS_AUTH=open: ${address}`, () => {
      expect(exposureOf({ auth: 'open', host: address }, address)).to.match(/^SISYPHUS_AUTH=open .*expected: /);
    });
  }
});

describe('a secret of tokens', () => {
  it('is too short below 32 characters, which is said where it counts', () => {
    const short = 'x'.repeat(31);
    expect(shortSecret({ auth: 'jwt', jwtSecret: short })).to.match(
      /^SISYPHUS_JWT_SECRET has 31 characters; expected 32/,
    );
    expect(shortSecret({ auth: 'jwt', jwtSecret: `${short}x` })).to.equal(undefined);
    expect(shortSecret({ auth: 'jwt', jwtSecret: undefined })).to.equal(undefined);
    expect(shortSecret({ auth: 'open', jwtSecret: short })).to.equal(undefined);
  });
});

describe('a gateway without a REDIS_URL', () => {
  it('is warned of where there are users who are told apart, and is usual in a trial', () => {
    const alone = { auth: 'jwt', redisUrl: undefined, console: 'off' } as const;
    expect(unshared(alone)).to.match(/^there is no REDIS_URL: .*expected REDIS_URL$/);
    expect(unshared({ ...alone, redisUrl: 'redis://r' })).to.equal(undefined);
    expect(unshared({ ...alone, auth: 'open' })).to.equal(undefined);
    expect(unshared({ ...alone, console: 'open' })).to.equal(undefined);
  });
});
