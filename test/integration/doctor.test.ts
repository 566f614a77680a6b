import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Authority } from '../support/certificates.ts';
import { Child } from '../support/child.ts';
import { runCommand } from '../support/command-line.ts';
import { startNginx, startProxy } from '../support/proxies.ts';
import { startRedis } from '../support/redis.ts';
import { startWorld, type World } from '../support/world.ts';

interface Finding {
  area: string;
  level: string;
  text: string;
  mend?: string;
}

/** What `doctor` finds with this environment. */
async function examine(env: Record<string, string>, ...args: string[]): Promise<{ code: number; findings: Finding[] }> {
  const { code, stdout } = await runCommand(['doctor', '--json', ...args], { env });
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

const saying = (findings: Finding[], text: RegExp): Finding | undefined => findings.find((one) => text.test(one.text));

describe('bin/sisyphus doctor', function () {
  this.timeout(30_000);

  describe('looking at Redis', () => {
    it('finds nothing bad at one that is whole, and changes nothing in it', async () => {
      const redis = await startRedis({ args: ['--appendonly', 'yes'] });
      try {
        const { code, findings } = await examine({ REDIS_URL: redis.url });
        expect(code).to.equal(0);
        expect(
          findings.filter(({ area, level }) => area === 'redis' && level !== 'ok').map(({ mend }) => mend),
        ).to.deep.equal(['bin/sisyphus functions load']);
        const client = redis.client();
        expect(await client.dbsize()).to.equal(0);
        expect(await client.call('FUNCTION', 'LIST')).to.deep.equal([]);
      } finally {
        await redis.stop();
      }
    });

    it('names each command that is denied with the line that mends it, and the line does', async () => {
      const redis = await startRedis();
      try {
        const client = redis.client();
        await client.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~*', '&other:*', '+@all', '-xrange');
        const env = { REDIS_URL: redis.url.replace('://', '://gateway:pw@') };
        const { code, findings } = await examine(env);
        const bad = findings.filter(({ level }) => level === 'bad');
        expect(code).to.equal(1);
        expect(saying(bad, /XRANGE/)?.mend).to.equal("redis-cli ACL SETUSER gateway '+xrange'");
        expect(saying(bad, /channels/)?.mend).to.match(/^redis-cli ACL SETUSER gateway '&/);
        expect(saying(findings, /may hide that it denies more: the user gateway in docs/)?.level).to.equal('note');
        for (const { mend } of bad) {
          const [, ...words] = [...mend!.matchAll(/'([^']+)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
          await client.call(...(words as [string]));
        }
        expect((await examine(env)).code).to.equal(0);
      } finally {
        await redis.stop();
      }
    });

    it('says to whom a denied SUBSCRIBE matters, and how to give a full Redis memory', async () => {
      const redis = await startRedis();
      try {
        const client = redis.client();
        await client.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~*', '&*', '+@all', '-subscribe');
        const { findings } = await examine({ REDIS_URL: redis.url.replace('://', '://gateway:pw@') });
        expect(saying(findings, /SUBSCRIBE/)?.text).to.match(/\+subscribe in its ACL \(no reader can be served\)$/);
        await client.set('large', 'x'.repeat(1_000_000));
        await client.config('SET', 'maxmemory', '1mb');
        await client.call('ACL', 'SETUSER', 'gateway', '-time');
        const { findings: least } = await examine({ REDIS_URL: redis.url.replace('://', '://gateway:pw@') });
        expect(saying(least, /cannot be used: .*'time'/)?.mend).to.contain('docs/run/redis-users.acl');
        const full = saying((await examine({ REDIS_URL: redis.url })).findings, /OOM/);
        expect(full?.text).to.match(/[^)]; nothing can be published$/);
        expect(full?.mend).to.match(/^redis-cli CONFIG SET maxmemory/);
      } finally {
        await redis.stop();
      }
    });

    it('names what its settings weaken, and who else is there', async () => {
      const limit = ['--client-output-buffer-limit', 'pubsub', '1mb', '1mb', '60'];
      const redis = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru', ...limit] });
      const client = redis.client();
      let isOver = false;
      const publishing = (async () => {
        while (!isOver) {
          await client.publish('shop:1', 'x');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      try {
        await redis.client({ db: 3 }).set('other', '1');
        await redis.client().subscribe('sisyphus{blog/0}/room/1');
        const { findings } = await examine({ REDIS_URL: redis.url });
        expect(saying(findings, /evicts/)?.mend).to.equal('redis-cli CONFIG SET maxmemory-policy noeviction');
        expect(saying(findings, /1048576 bytes/)?.mend).to.contain('client-output-buffer-limit');
        expect(saying(findings, /other databases are in use: 3 \(1 keys\)/)).not.to.equal(undefined);
        expect(saying(findings, /other installations have gateways here: SISYPHUS_NAMESPACE=blog$/)).not.to.equal(
          undefined,
        );
        expect(saying(findings, /plain PUBLISHes heard .*shop:\*/)).not.to.equal(undefined);
      } finally {
        isOver = true;
        await publishing;
        await redis.stop();
      }
    });

    it('says what to do about one that is not there', async () => {
      const { code, findings } = await examine({ REDIS_URL: 'redis://127.0.0.1:1' });
      expect(code).to.equal(1);
      expect(saying(findings, /cannot be used/)).to.include({ area: 'redis', level: 'bad' });
    });
  });

  describe('looking at a proxy', () => {
    let world: World;
    const env = (): Record<string, string> => ({ REDIS_URL: world.redis.url, SISYPHUS_NOOP_INTERVAL: '2s' });
    const through = async (locations: string): Promise<{ code: number; findings: Finding[] }> => {
      const proxy = await startNginx(world.gateway.port, locations);
      return examine(env(), '--proxy', `http://127.0.0.1:${proxy.port}/`).finally(() => proxy.stop());
    };
    const to = (): string => `proxy_pass http://127.0.0.1:${world.gateway.port};`;

    before(async () => {
      world = await startWorld({ SISYPHUS_NOOP_INTERVAL: '2s' });
    });
    after(() => world.stop());

    it('finds nothing wrong with one that hands everything on at once', async () => {
      const { code, findings } = await through(`location / { ${to()} } location = /status { return 404; }`);
      expect(code, JSON.stringify(findings)).to.equal(0);
      const proxy = findings.filter(({ area }) => area === 'proxy');
      expect(proxy.filter(({ level }) => level !== 'ok').map(({ text }) => text)).to.deep.equal([
        'browsers get HTTP/1.1, with six connections to a host over all tabs',
      ]);
      expect(saying(proxy, /a message came after/)?.level).to.equal('ok');
      expect(saying(proxy, /a noop came/)?.level).to.equal('ok');
    });

    it('finds one that holds frames back', async () => {
      const { code, findings } = await through(
        `location / { ${to()} proxy_ignore_headers X-Accel-Buffering; proxy_buffering on; proxy_http_version 1.0; }`,
      );
      expect(code).to.equal(1);
      expect(saying(findings, /held back/)?.mend).to.contain('proxy_buffering off');
    });

    it('finds an idle time-out that is shorter than the silence of a stream', async () => {
      const { code, findings } = await through(`location / { ${to()} proxy_read_timeout 1s; }`);
      expect(code).to.equal(1);
      expect(saying(findings, /a silent stream was cut after/)?.mend).to.contain('proxy_read_timeout');
    });

    it('sees HTTP/2, and names what a certificate lacks that is not known here', async () => {
      const authority = await Authority.create('ours');
      const { cert, key } = await authority.issue('localhost', { names: 'DNS:localhost,IP:127.0.0.1' });
      const site = (port: number): string => `server {
        listen 127.0.0.1:${port} ssl http2; ssl_certificate ${cert}; ssl_certificate_key ${key};
        location / { ${to()} } location = /status { return 404; }
      }`;
      const proxy = await startProxy('nginx', site);
      const bin = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));
      const look = async (more: Record<string, string>): Promise<{ code: number | null; findings: Finding[] }> => {
        const args = ['doctor', '--json', '--proxy', `https://localhost:${proxy.port}`];
        const child = new Child(bin, args, { env: { PATH: process.env.PATH, ...env(), ...more } });
        const { code } = await child.exited;
        return { code, ...(JSON.parse(child.stdout) as { findings: Finding[] }) };
      };
      try {
        const known = await look({ NODE_EXTRA_CA_CERTS: authority.cert });
        expect(known.code, JSON.stringify(known.findings)).to.equal(0);
        expect(saying(known.findings, /browsers get HTTP\/2/)?.level).to.equal('ok');
        const unknown = await look({});
        expect(unknown.code).to.equal(1);
        expect(saying(unknown.findings, /cannot be reached/)?.mend).to.contain('NODE_EXTRA_CA_CERTS');
      } finally {
        await proxy.stop();
        await authority.remove();
      }
    });

    it('finds an answer that ends an EventSource for good, and a /status that is public', async () => {
      const gone = await through('location / { return 502; }');
      expect(gone.code).to.equal(1);
      expect(saying(gone.findings, /answered 502/)?.level).to.equal('bad');
      const open = await through(`location / { ${to()} }`);
      expect(saying(open.findings, /\/status on to anybody/)?.level).to.equal('weak');
    });
  });

  it('finds that the gateway is one of another namespace or database', async () => {
    const world = await startWorld({ SISYPHUS_NAMESPACE: 'shop', SISYPHUS_WORKERS: '2' });
    try {
      const env = { REDIS_URL: `${world.redis.url}/4`, SISYPHUS_URL: world.gateway.url };
      const { code, findings } = await examine(env);
      expect(code).to.equal(1);
      expect(saying(findings, /has the namespace shop, and this command has no namespace/)).to.include({
        level: 'bad',
        mend: 'SISYPHUS_NAMESPACE=shop',
      });
      expect(saying(findings, /uses database 0, and REDIS_URL names database 4/)?.level).to.equal('bad');
      const right = await examine({ ...env, REDIS_URL: world.redis.url, SISYPHUS_NAMESPACE: 'shop' });
      expect(right.findings.filter(({ level }) => level === 'bad')).to.deep.equal([]);
    } finally {
      await world.stop();
    }
  });

  it('prints a line for each finding, and refuses an address that is none', async () => {
    const { stdout, code } = await runCommand(['doctor'], { env: { REDIS_URL: 'redis://127.0.0.1:1' } });
    expect(code).to.equal(1);
    expect(stdout).to.match(/^redis {4}bad {3}Redis cannot be used: [^\n]+\n {15}mend: start Redis/);
    expect((await runCommand(['doctor', '--proxy', 'app.example'])).code).to.equal(2);
  });
});
