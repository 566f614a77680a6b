import { expect } from 'chai';
import { exposureOf } from '../../src/exposure.ts';

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
