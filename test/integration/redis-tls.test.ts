import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Authority, type Issued } from '../support/certificates.ts';
import { Child, freePort } from '../support/child.ts';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { httpPublisher, PUBLISH_SECRET } from '../support/publisher.ts';
import { openStream } from '../support/raw-stream.ts';
import { type RedisServer, SERVER, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const HERE = 'IP:127.0.0.1';
const USER = 'us%3Aer:p%40ss%2Fw%3Frd%25';

describe('a gateway on a Redis by TLS', function () {
  this.timeout(60_000);
  let ours: Authority;
  let good: Issued;
  let expired: Issued;
  let elsewhere: Issued;
  let server: RedisServer;
  let port: number;
  let env: Record<string, string>;

  before(async () => {
    ours = await Authority.create('ours');
    good = await ours.issue('good', { names: HERE });
    expired = await ours.issue('expired', { names: HERE, till: '20210101000000Z' });
    elsewhere = await ours.issue('elsewhere', { names: 'DNS:redis.example' });
    const own = await ours.issue('client');
    port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-ca-cert-file', ours.cert, '--tls-auth-clients', 'yes'];
    const files = ['--tls-cert-file', good.cert, '--tls-key-file', good.key];
    const user = ['--user', 'us:er', 'on', '>p@ss/w?rd%', '~*', '&*', '+@all'];
    server = await startRedis({ args: [...tls, ...files, ...user] });
    env = {
      ...{ REDIS_URL: `rediss://${USER}@127.0.0.1:${port}`, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET },
      ...{ SISYPHUS_REDIS_CA: ours.cert, SISYPHUS_REDIS_CERT: own.cert, SISYPHUS_REDIS_KEY: own.key },
    };
  });
  after(async () => {
    await server.stop();
    await ours.remove();
  });

  async function readiness({ url }: Gateway): Promise<{ ready: boolean; reasons: string }> {
    const { ready, reasons = [] } = (await (await fetch(`${url}/readyz`)).json()) as {
      ready: boolean;
      reasons?: string[];
    };
    return { ready, reasons: reasons.join('; ') };
  }

  it('serves, and says why it cannot when the certificate changes to a bad one; the command line works as well', async () => {
    const gateway = await startGateway(env);
    const admin = server.client();
    const present = ({ cert, key }: Issued): Promise<unknown> => {
      return admin.call('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key);
    };
    try {
      const granted = await runCommand(['grant', '1', 'room:1'], { env });
      expect(granted).to.include({ code: 0, stderr: '' });
      const stream = await openStream({ port: gateway.port }).ok();
      await httpPublisher(gateway.url)('room:1', 'http');
      expect(await runCommand(['publish', 'room:1', 'cli'], { env })).to.include({ code: 0, stderr: '' });
      await stream.until(({ messages }) => messages.some(({ data }) => data === 'cli'));
      const checked = await runCommand(['check-config', '--port', '0', '--redis'], { env });
      expect(checked.stdout).to.match(/^redis allows /m);

      for (const [bad, reason] of [
        [expired, /certificate of Redis, or of its CA, has expired: expected a renewed one/],
        [elsewhere, /certificate of Redis is for another host: expected the host of REDIS_URL/],
      ] as const) {
        await present(bad);
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await eventually(async () => reason.test((await readiness(gateway)).reasons), 10_000, 50);
        expect((await readiness(gateway)).ready).to.equal(false);
        const said = await gateway.waitForLog((line) => reason.test(String(line.reason)));
        expect(said).to.include({ event: 'redis_refuses', stops: 'readers' });
        const away = await runCommand(['check-config', '--port', '0', '--redis'], { env });
        expect(away.code).to.equal(1);
        expect(away.stdout)
          .to.match(/^redis stops all /m)
          .and.to.match(reason);
        await present(good);
        await eventually(async () => (await readiness(gateway)).ready, 15_000, 50);
        const lines = gateway.logs.filter((line) => line.event === 'redis_refuses' && reason.test(String(line.reason)));
        expect(lines).to.have.length(1);
      }
      expect(JSON.stringify(gateway.logs)).not.to.contain('p@ss').and.not.to.contain('p%40ss');
      stream.close();
    } finally {
      await gateway.stop();
    }
  });

  for (const workers of [1, 2]) {
    it(`reads the certificates again on SIGHUP, and drops nobody (${workers} workers)`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
      const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => join(folder, name)) as [string, string, string];
      const theirs = await Authority.create('theirs');
      const admin = server.client();
      const use = async (authority: Authority): Promise<void> => {
        const own = await authority.issue('client');
        await Promise.all([copyFile(authority.cert, ca), copyFile(own.cert, cert), copyFile(own.key, key)]);
      };
      const present = async (authority: Authority): Promise<void> => {
        const { cert, key } = authority === ours ? good : await authority.issue('redis', { names: HERE });
        const files = ['tls-ca-cert-file', authority.cert, 'tls-cert-file', cert, 'tls-key-file', key];
        await admin.call('CONFIG', 'SET', ...files);
      };
      const files = { SISYPHUS_REDIS_CA: ca, SISYPHUS_REDIS_CERT: cert, SISYPHUS_REDIS_KEY: key };
      await use(ours);
      const gateway = await startGateway({ ...env, ...files, SISYPHUS_WORKERS: String(workers) });
      try {
        const stream = await openStream({ port: gateway.port }).ok();
        await writeFile(ca, 'no certificate');
        process.kill(gateway.pid, 'SIGHUP');
        const kept = await gateway.waitForLog(({ event }) => event === 'certificates_kept');
        expect(kept.reason).to.match(/^SISYPHUS_REDIS_CA has no certificate: expected certificates in PEM/);
        await use(theirs);
        process.kill(gateway.pid, 'SIGHUP');
        await gateway.waitForLog(({ event }) => event === 'certificates_read');
        await present(theirs);
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        // Every connection has to be made anew, and with the old certificates none could be.
        await eventually(async () => (await readiness(gateway)).ready, 15_000, 50);
        await httpPublisher(gateway.url)('user:1', 'by new certificates');
        await stream.until(({ messages }) => messages.some(({ data }) => data === 'by new certificates'));
        expect(stream.closed).to.equal(false);
        stream.close();
      } finally {
        await present(ours);
        await gateway.stop();
        await theirs.remove();
        await rm(folder, { recursive: true });
      }
    });
  }

  it('finds it by Sentinel, with TLS on every connection', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-sentinel-'));
    const sentinelPort = await freePort();
    const file = join(folder, 'sentinel.conf');
    const lines = [
      ...['port 0', `tls-port ${sentinelPort}`, 'bind 127.0.0.1', `dir ${folder}`, 'tls-replication yes'],
      ...[`tls-cert-file ${good.cert}`, `tls-key-file ${good.key}`, `tls-ca-cert-file ${ours.cert}`],
      `sentinel monitor main 127.0.0.1 ${port} 1`,
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    const sentinel = new Child(SERVER, [file, '--sentinel']);
    const url = `rediss+sentinel://${USER}@127.0.0.1:${sentinelPort}/main`;
    try {
      await eventually(async () => {
        return (await runCommand(['publish', 'room:1', 'by sentinel'], { env: { ...env, REDIS_URL: url } })).code === 0;
      }, 20_000);
      const gateway = await startGateway({ ...env, REDIS_URL: url });
      expect((await readiness(gateway)).ready).to.equal(true);
      await gateway.stop();
      const stranger = { REDIS_URL: url };
      const refused = await runCommand(['publish', 'room:1', 'no'], { env: stranger });
      expect(refused.stderr).to.match(/not trusted here: expected .* in SISYPHUS_REDIS_CA/);
    } finally {
      sentinel.kill('SIGKILL');
      await sentinel.exited;
      await rm(folder, { recursive: true, force: true });
    }
  });
});
