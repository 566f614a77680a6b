import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { expect } from 'chai';
import type { RedisTls } from '../../src/config/redis-certificates.ts';
import { connectPublisher } from '../../src/store/redis/connect.ts';
import { openConnection } from '../../src/store/redis/connection.ts';
import { inspectRedis } from '../../src/store/redis/inspect.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import { Standing } from '../../src/store/redis/standing.ts';
import { Authority, contentOf, type Issued } from '../support/certificates.ts';
import { freePort } from '../support/child.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const HERE = 'IP:127.0.0.1,DNS:localhost';
const PASSWORD = 'a%20secret';

describe('a connection by TLS', function () {
  this.timeout(30_000);
  let ours: Authority;
  let other: Authority;
  let ca: string;
  let server: RedisServer;
  let tlsPort: number;
  let client: RedisTls;
  const issued: Record<string, Issued> = {};

  before(async () => {
    [ours, other] = await Promise.all([Authority.create('ours'), Authority.create('other')]);
    ca = await readFile(ours.cert, 'utf8');
    issued.good = await ours.issue('good', { names: HERE });
    issued.expired = await ours.issue('expired', { names: HERE, till: '20210101000000Z' });
    issued.future = await ours.issue('future', { names: HERE, from: '20980101000000Z' });
    issued.elsewhere = await ours.issue('elsewhere', { names: 'DNS:redis.example' });
    issued.foreign = await other.issue('foreign', { names: HERE });
    client = await contentOf(await ours.issue('client'));
    tlsPort = await freePort();
    const { cert, key } = issued.good;
    const args = ['--tls-port', String(tlsPort), '--tls-cert-file', cert, '--tls-key-file', key];
    const user = ['--user', 'us:er', 'on', '>p@ss/w?rd%', '~*', '&*', '+@all'];
    server = await startRedis({
      args: [...args, '--tls-ca-cert-file', ours.cert, '--tls-auth-clients', 'yes', ...user],
    });
  });
  after(async () => {
    await server.stop();
    await Promise.all([ours.remove(), other.remove()]);
  });

  /** Why a gateway would say that it cannot connect, or `undefined` if it can. */
  async function refusalOf(port: number, tls: RedisTls, host = '127.0.0.1'): Promise<string | undefined> {
    const standing = new Standing();
    const target = { url: `rediss://us%3Aer:${PASSWORD}@${host}:${port}`, tls };
    const redis = openConnection(target, 'commands', standing);
    try {
      return await eventually(() => {
        const [trouble] = standing.troubles();
        if (trouble?.stops === 'readers') return trouble.reason;
        return redis.status === 'ready' ? 'ready' : undefined;
      });
    } finally {
      redis.disconnect();
    }
  }

  /** A server with this certificate that notes what it is sent. */
  async function impostor({ cert, key }: Issued): Promise<{ port: number; received: () => string; stop: () => void }> {
    let received = '';
    const fake: Server = createServer(await contentOf({ cert, key }), (socket) => {
      socket.on('data', (data) => {
        received += data.toString('latin1');
      });
      socket.on('error', () => undefined);
    });
    fake.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    return { port: (fake.address() as AddressInfo).port, received: () => received, stop: () => void fake.close() };
  }

  const UNSAFE: [string, string, 'own' | 'none', RegExp][] = [
    ['has expired', 'expired', 'own', /has expired: expected a renewed one/],
    ['is not valid yet', 'future', 'own', /is not valid yet: expected/],
    ['is for another host', 'elsewhere', 'own', /another host: expected the host of REDIS_URL/],
    ['is of another CA', 'foreign', 'own', /not of a CA in SISYPHUS_REDIS_CA: expected/],
    ['is of a CA that nobody has named', 'good', 'none', /not trusted here: expected .* in SISYPHUS_REDIS_CA/],
  ];
  for (const [what, name, whose, reason] of UNSAFE) {
    it(`sends nothing to a server whose certificate ${what}, and says so`, async () => {
      const { port, received, stop } = await impostor(issued[name]!);
      const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      // The environment of the process must not switch the verification off.
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      try {
        const tls = whose === 'own' ? { ca } : {};
        expect(await refusalOf(port, tls)).to.match(reason);
        const target = { url: `rediss://u:${PASSWORD}@127.0.0.1:${port}`, tls };
        // The command line waits for 2 s, so it is tried once.
        if (name === 'foreign') {
          const refusal = await connectPublisher(target, undefined).catch(({ message }: Error) => message);
          expect(refusal).to.match(reason);
        }
        const inspected = inspectRedis(target, new Keys(undefined, 0), new PlainNames([], ''));
        expect(await inspected.catch(({ message }: Error) => message)).to.match(reason);
        expect(received()).to.equal('');
      } finally {
        if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
        stop();
      }
    });
  }

  it('is made to a server of the CA, by address and by name, with a user and a password of any characters', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `rediss://us%3Aer:p%40ss%2Fw%3Frd%25@${host}:${tlsPort}`;
      const redis = openConnection({ url, tls: { ca, ...client } }, 'commands');
      await eventually(() => redis.status === 'ready');
      expect(await redis.call('ACL', 'WHOAMI')).to.equal('us:er');
      redis.disconnect();
    }
  });

  it('says that Redis asks for a certificate, or does not take the one that it gets', async () => {
    expect(await refusalOf(tlsPort, { ca })).to.match(/asks for a certificate: expected SISYPHUS_REDIS_CERT and/);
    const foreign = await contentOf(await other.issue('stranger'));
    expect(await refusalOf(tlsPort, { ca, ...foreign })).to.match(
      /does not take the certificate in SISYPHUS_REDIS_CERT/,
    );
    const old = await contentOf(await ours.issue('old', { till: '20210101000000Z' }));
    expect(await refusalOf(tlsPort, { ca, ...old })).to.match(/does not take the certificate in SISYPHUS_REDIS_CERT/);
  });

  it('says why it does not trust a Sentinel, and sends it nothing', async () => {
    const { port, received, stop } = await impostor(issued.foreign!);
    const standing = new Standing();
    const redis = openConnection(
      { url: `rediss+sentinel://127.0.0.1:${port}/main`, tls: { ca } },
      'commands',
      standing,
    );
    try {
      const { reason } = await eventually(() => standing.troubles().find(({ stops }) => stops === 'readers'));
      expect(reason).to.match(/not of a CA in SISYPHUS_REDIS_CA/);
      expect(received()).to.equal('');
    } finally {
      redis.disconnect();
      stop();
    }
  });

  it('says that a server does not speak TLS', async () => {
    const standing = new Standing();
    const redis = openConnection({ url: `rediss://127.0.0.1:${server.port}`, tls: { ca } }, 'commands', standing);
    const said = await eventually(() => standing.troubles()[0]?.detail, 8000);
    redis.disconnect();
    expect(said).to.match(/no TLS connection within 2 s .*expected a Redis that speaks TLS on this port/);
  });
});
