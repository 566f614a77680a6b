import { expect } from 'chai';
import { ConfigError, loadConfig } from '../../src/config/config.ts';

type Texts = Record<string, string>;

/** As Kubernetes 1.31 sets them for a Service called `sisyphus` with the ports 3001 (http) and 3002 (admin). */
const SERVICE: Texts = {
  SISYPHUS_SERVICE_HOST: '10.0.0.7',
  SISYPHUS_SERVICE_PORT: '3001',
  SISYPHUS_SERVICE_PORT_HTTP: '3001',
  SISYPHUS_SERVICE_PORT_ADMIN_UI: '3002',
  SISYPHUS_PORT: 'tcp://10.0.0.7:3001',
  SISYPHUS_PORT_3001_TCP: 'tcp://10.0.0.7:3001',
  SISYPHUS_PORT_3001_TCP_PROTO: 'tcp',
  SISYPHUS_PORT_3001_TCP_PORT: '3001',
  SISYPHUS_PORT_3001_TCP_ADDR: '10.0.0.7',
  SISYPHUS_PORT_3002_SCTP: 'sctp://10.0.0.7:3002',
  SISYPHUS_PORT_3002_SCTP_PROTO: 'sctp',
};

const OTHERS: Record<string, Texts> = {
  'a Service over IPv6': {
    SISYPHUS_SERVICE_HOST: 'fd00::7',
    SISYPHUS_PORT: 'udp://[fd00::7]:53',
    SISYPHUS_PORT_53_UDP: 'udp://[fd00::7]:53',
    SISYPHUS_PORT_53_UDP_ADDR: 'fd00::7',
  },
  'a Service called sisyphus-redis-master': {
    SISYPHUS_REDIS_MASTER_SERVICE_HOST: '10.0.0.8',
    SISYPHUS_REDIS_MASTER_SERVICE_PORT_TCP_REDIS: '6379',
    SISYPHUS_REDIS_MASTER_PORT: 'tcp://10.0.0.8:6379',
    SISYPHUS_REDIS_MASTER_PORT_6379_TCP: 'tcp://10.0.0.8:6379',
  },
  'a Docker link': {
    SISYPHUS_NAME: '/web/sisyphus',
    SISYPHUS_PORT: 'tcp://172.17.0.5:3001',
    SISYPHUS_PORT_3001_TCP_START: 'tcp://172.17.0.5:3001',
    SISYPHUS_PORT_3001_TCP_PORT_START: '3001',
    SISYPHUS_PORT_3001_TCP_END: 'tcp://172.17.0.5:3003',
    SISYPHUS_PORT_3001_TCP_PORT_END: '3003',
    SISYPHUS_ENV_NODE_VERSION: '20.20.2',
    SISYPHUS_ENV_SISYPHUS_DRAIN: 'anything',
  },
  'a link of Docker Compose': { SISYPHUS_1_NAME: '/app_web_1/sisyphus_1', SISYPHUS_1_PORT: 'tcp://172.17.0.5:3001' },
};

const SLIPS: Texts[] = [
  { SISYPHUS_PRT: 'tcp://10.0.0.7:3001' },
  { SISYPHUS_PORT: '3001' },
  { SISYPHUS_PORT: 'http://10.0.0.7:3001' },
  { SISYPHUS_PORT: 'tcp://sisyphus:3001' },
  { SISYPHUS_HOST: '10.0.0.7' },
  { SISYPHUS_SERVICE_HOST: 'localhost' },
  { SISYPHUS_SERVICE_PORT: 'http' },
  { SISYPHUS_PORT_3001_TCP: 'tcp://10.0.0.7:3002' },
  { SISYPHUS_PORT_3001_TCP: 'udp://10.0.0.7:3001' },
  { SISYPHUS_PORT_3001_TCP_PROTO: 'udp' },
  { SISYPHUS_PORT_3001_TCP_PORT: '3002' },
  { SISYPHUS_PORT_TCP: 'tcp://10.0.0.7:3001' },
  { SISYPHUS_ENV_NODE_VERSION: '20.20.2' },
  { SISYPHUS_NAME: 'web' },
  { sisyphus_port: 'tcp://10.0.0.7:3001' },
];

describe('variables that nobody has written', () => {
  it('change nothing where Kubernetes has set them for a service of this name', () => {
    expect(loadConfig({}, SERVICE)).to.deep.equal(loadConfig({}, {}));
  });

  for (const [name, env] of Object.entries(OTHERS)) {
    it(`change nothing: ${name}`, () => expect(loadConfig({}, env)).to.deep.equal(loadConfig({}, {})));
  }

  for (const env of SLIPS) {
    it(`are told from a slip: ${JSON.stringify(env)}`, () => {
      expect(() => loadConfig({}, { ...SERVICE, ...env })).to.throw(ConfigError, /is unknown/);
    });
  }
});
