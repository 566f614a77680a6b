import { expect } from 'chai';
import { gatewayAddress } from '../../src/cli/gateway-address.ts';

const PORTS = { PORT: '7001', SISYPHUS_ADMIN_PORT: '7002' };

describe('where a command looks for a gateway', () => {
  const CASES: [
    what: string,
    flags: Record<string, string>,
    env: Record<string, string>,
    streams: string,
    operators: string,
  ][] = [
    ['nothing is said', {}, {}, 'http://127.0.0.1:3001', 'http://127.0.0.1:3001'],
    ['the environment of a gateway', {}, PORTS, 'http://127.0.0.1:7001', 'http://127.0.0.1:7002'],
    ['its flags', { port: '8001' }, { PORT: '7001' }, 'http://127.0.0.1:8001', 'http://127.0.0.1:8001'],
    ['all addresses', {}, { ...PORTS, HOST: '0.0.0.0' }, 'http://127.0.0.1:7001', 'http://127.0.0.1:7002'],
    ['all addresses of IPv6', {}, { HOST: '::' }, 'http://[::1]:3001', 'http://[::1]:3001'],
    [
      'an address for each',
      {},
      { ...PORTS, HOST: '10.0.0.7', SISYPHUS_ADMIN_HOST: '10.0.1.7' },
      'http://10.0.0.7:7001',
      'http://10.0.1.7:7002',
    ],
    ['SISYPHUS_URL', {}, { ...PORTS, SISYPHUS_URL: 'http://a:1' }, 'http://a:1', 'http://a:1'],
    ['--url', { url: 'http://b:2' }, { SISYPHUS_URL: 'http://a:1' }, 'http://b:2', 'http://b:2'],
    ['a PORT of another program', {}, { PORT: 'tcp://10.0.0.1:80' }, 'http://127.0.0.1:3001', 'http://127.0.0.1:3001'],
    ['a port that is free to choose', {}, { PORT: '0' }, 'http://127.0.0.1:3001', 'http://127.0.0.1:3001'],
  ];
  for (const [what, flags, env, streams, operators] of CASES) {
    it(`${what}: streams at ${streams}, operators at ${operators}`, () => {
      expect(gatewayAddress('streams', flags, env)).to.equal(streams);
      expect(gatewayAddress('operators', flags, env)).to.equal(operators);
    });
  }
});
