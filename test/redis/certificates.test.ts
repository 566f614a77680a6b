import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type ConfigError, loadConfig } from '../../src/config/config.ts';
import { Authority, type Issued } from '../support/certificates.ts';
import { runCommand } from '../support/command-line.ts';

describe('the certificates for Redis in the configuration', () => {
  const SAFE = { REDIS_URL: 'rediss://redis.example' };
  let authority: Authority;
  let own: Issued;
  let other: Issued;
  before(async () => {
    authority = await Authority.create('ours');
    [own, other] = await Promise.all([authority.issue('own'), authority.issue('other')]);
  });
  after(() => authority.remove());

  function problemsOf(env: Record<string, string>): string[] {
    try {
      loadConfig({}, env);
      return [];
    } catch (error) {
      return (error as ConfigError).problems;
    }
  }

  it('are paths, or PEM, whose line ends may be written as \\n', async () => {
    const pem = await readFile(authority.cert, 'utf8');
    for (const text of [authority.cert, pem, pem.replaceAll('\n', '\\n'), `\n${pem}${pem}`]) {
      const { redisCa } = loadConfig({}, { ...SAFE, SISYPHUS_REDIS_CA: text });
      expect(redisCa).to.contain(pem.trim());
    }
    const env = { SISYPHUS_REDIS_CERT: own.cert, SISYPHUS_REDIS_KEY: own.key };
    const { redisCert, redisKey } = loadConfig({}, { ...env, REDIS_URL: 'rediss+sentinel://s.example/main' });
    expect([redisCert, redisKey]).to.deep.equal(
      await Promise.all([own.cert, own.key].map((path) => readFile(path, 'utf8'))),
    );
  });

  it('are refused if they are none, with what is expected', async () => {
    const broken = `${own.cert}.broken`;
    await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const cases: [Record<string, string>, RegExp][] = [
      [
        { SISYPHUS_REDIS_CA: '/nowhere/ca.pem' },
        /SISYPHUS_REDIS_CA is no file that can be read: expected certificates/,
      ],
      [{ SISYPHUS_REDIS_CA: own.key }, /SISYPHUS_REDIS_CA is a private key: expected certificates in PEM/],
      [{ SISYPHUS_REDIS_CA: 'package.json' }, /SISYPHUS_REDIS_CA has no certificate: expected/],
      [{ SISYPHUS_REDIS_CA: broken }, /SISYPHUS_REDIS_CA has a certificate that cannot be read: expected/],
      [
        { SISYPHUS_REDIS_KEY: own.cert, SISYPHUS_REDIS_CERT: own.cert },
        /SISYPHUS_REDIS_KEY is no private key: expected/,
      ],
      [{ SISYPHUS_REDIS_KEY: own.key }, /SISYPHUS_REDIS_CERT and SISYPHUS_REDIS_KEY go together: expected both/],
      [
        { SISYPHUS_REDIS_KEY: other.key, SISYPHUS_REDIS_CERT: own.cert },
        /SISYPHUS_REDIS_KEY is not the key of the first/,
      ],
    ];
    for (const [env, problem] of cases) {
      const problems = problemsOf({ ...SAFE, ...env });
      expect(problems, problem.source).to.have.length(1);
      expect(problems[0]).to.match(problem);
      expect(problems[0], 'no secret').not.to.contain('-----\n');
    }
  });

  it('are refused if REDIS_URL is without TLS, or is not set', () => {
    const env = { SISYPHUS_REDIS_CA: authority.cert };
    for (const url of ['redis://h', 'redis+sentinel://h/main', '/run/redis.sock']) {
      expect(problemsOf({ ...env, REDIS_URL: url })).to.deep.equal([
        'SISYPHUS_REDIS_CA cannot be used, because REDIS_URL is without TLS: expected rediss://… or rediss+sentinel://…',
      ]);
    }
    expect(problemsOf(env)).to.deep.equal([
      'SISYPHUS_REDIS_CA cannot be used, because REDIS_URL is not set: expected rediss://… or rediss+sentinel://…',
    ]);
    expect(problemsOf({ ...env, REDIS_URL: 'http://h' }), 'one mistake once').to.have.length(1);
  });

  it('are known to the command line', async () => {
    for (const name of ['SISYPHUS_REDIS_CA', 'SISYPHUS_REDIS_CERT', 'SISYPHUS_REDIS_KEY']) {
      const { code, stderr } = await runCommand(['publish', 'room:1', 'text'], {
        env: { ...SAFE, [name]: '/nowhere' },
      });
      expect(code).to.equal(2);
      expect(stderr).to.contain(`${name} is no file that can be read`);
    }
  });

  it('are not printed by check-config, but for their paths', async () => {
    const env = { PORT: '0', SISYPHUS_REDIS_CERT: await readFile(own.cert, 'utf8'), SISYPHUS_REDIS_KEY: own.key };
    const { stdout } = await runCommand(['check-config'], { env: { ...env, REDIS_URL: 'rediss://127.0.0.1:1' } });
    expect(stdout)
      .to.match(/^SISYPHUS_REDIS_CERT +\*\*\* /m)
      .and.to.contain(own.key);
    expect(stdout).not.to.contain('-----\n');
  });
});
