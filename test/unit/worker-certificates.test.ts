import { expect } from 'chai';
import { argumentsOfWorker } from '../../src/cli/worker-certificates.ts';

describe('the arguments of a worker', () => {
  it('are those of its primary without the files of certificates', () => {
    const own = [
      'serve',
      '--redis-ca',
      'ca.pem',
      '--port=0',
      '--redis-cert=cert.pem',
      '--redis-key',
      'key.pem',
      '--demo',
    ];
    expect(argumentsOfWorker(own)).to.deep.equal(['serve', '--port=0', '--demo']);
    const others = ['--redis-url', 'rediss://redis', 'serve', '--redis-key-prefix=a'];
    expect(argumentsOfWorker(others)).to.deep.equal(others);
  });
});
