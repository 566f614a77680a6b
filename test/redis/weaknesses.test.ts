import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { inspectRedis } from '../../src/store/redis/inspect.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import { weaknessesOf } from '../../src/store/redis/weaknesses.ts';
import { runCommand } from '../support/command-line.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

/** The events of what a Redis weakens, as `serve` would log them. */
async function found(url: string): Promise<string[]> {
  return (await inspectRedis(url, new Keys(undefined, 0), new PlainNames(['*:*'], ''))).weaknesses.map(
    ({ event }) => event,
  );
}

describe('what a Redis weakens', () => {
  let server: RedisServer | undefined;
  afterEach(() => server?.stop());

  const CASES: Record<string, [string[], string[]]> = {
    'keeps nothing': [[], ['redis_keeps_nothing']],
    'keeps snapshots': [['--save', '3600 1'], ['redis_keeps_snapshots']],
    'keeps all that is written': [['--appendonly', 'yes'], []],
    evicts: [['--appendonly', 'yes', '--maxmemory', '1gb', '--maxmemory-policy', 'allkeys-lru'], ['redis_evicts']],
    'would evict, and has no limit': [['--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru'], []],
    'is a replica that takes writes': [
      ['--appendonly', 'yes', '--replicaof', '127.0.0.1 1', '--replica-read-only', 'no'],
      ['redis_is_replica'],
    ],
  };
  for (const [name, [args, expected]] of Object.entries(CASES)) {
    it(`is found where it ${name}`, async () => {
      server = await startRedis({ args });
      expect(await found(server.url)).to.deep.equal(expected);
    });
  }

  it('is not guessed where the user may not ask', async () => {
    server = await startRedis();
    const redis = server.client();
    await redis.call('ACL', 'SETUSER', 'gw', 'on', '>pw', '~*', '&*', '+@all', '-config', '-info', '-acl');
    expect(await found(server.url.replace('//', '//gw:pw@'))).to.deep.equal([]);
  });

  for (const [rules, isRestricted] of [
    ['~* &* +@all', false],
    ['~app:* &* +@all', true],
    ['off', true],
    ['off ~* &* +@all', false],
  ] as const) {
    it(`is, where it loads what it kept as a user with ${rules}, that it drops what functions wrote, if it does`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sisyphus-acl-'));
      try {
        const users = [
          'user gw on >pw ~* &* +@all',
          `user default ${rules.startsWith('off') ? '' : 'on nopass '}${rules}`,
        ];
        await writeFile(join(folder, 'users.acl'), `${users.join('\n')}\n`);
        const args = ['--appendonly', 'yes', '--appendfsync', 'always', '--aclfile', join(folder, 'users.acl')];
        server = await startRedis({ args });
        const login = { username: 'gw', password: 'pw' };
        const library =
          "redis.register_function('write_two', function() redis.call('SET', 'a', 1) redis.call('SET', 'b', 1) end)";
        const redis = server.client(login);
        await redis.call('FUNCTION', 'LOAD', `#!lua name=two\n${library}`);
        await redis.call('FCALL', 'write_two', '0');
        const says = await found(server.url.replace('//', '//gw:pw@'));
        server.kill('SIGKILL');
        await server.restart();
        const kept = await eventually(() => server!.client(login).exists('a', 'b'));
        // Later versions keep it in both cases.
        expect(says).to.deep.equal(kept === 2 ? [] : ['redis_drops_on_reload']);
        if (!isRestricted) expect(kept).to.equal(2);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  const VERSIONS: [string, boolean][] = [
    ['redis_version:7.0.15', true],
    ['redis_version:8.4.9', true],
    ['redis_version:8.6.0', false],
    ['redis_version:10.0.0', false],
    ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.9', true],
    ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.1', true],
    ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2', false],
    ['', true],
  ];
  for (const [version, loses] of VERSIONS) {
    const [name = ''] = version.split('\r\n').reverse();
    it(`is, for a server that is ${name || 'of an unknown version'} with its default user off, ${loses ? '' : 'not '}a restart`, async () => {
      const infos: Record<string, string> = { persistence: 'aof_enabled:1', server: `# Server\r\n${version}\r\n` };
      const redis = {
        info: async (section: string) => infos[section] ?? '',
        config: async () => ['save', ''],
        call: async () => ['flags', ['off'], 'commands', '-@all', 'keys', '', 'channels', ''],
      };
      const events = (await weaknessesOf(redis as unknown as Redis)).map(({ event }) => event);
      expect(events).to.deep.equal(loses ? ['redis_drops_on_reload'] : []);
    });
  }

  it('is said by check-config --redis, with what is denied, which makes it fail', async () => {
    server = await startRedis();
    const env = { REDIS_URL: server.url };
    const fine = await runCommand(['check-config', '--redis'], { env });
    expect(fine.code).to.equal(0);
    expect(fine.stdout).to.match(/^redis weakens .*nothing on disk.*expected appendonly yes/m);
    expect(fine.stdout).to.match(/^redis allows /m);
    const redis = server.client();
    await redis.config('SET', 'min-replicas-to-write', '1');
    const refusing = await runCommand(['check-config', '--redis'], { env });
    expect(refusing.code).to.equal(1);
    expect(refusing.stdout).to.match(/^redis stops publishing .*NOREPLICAS/m);
    const away = await runCommand(['check-config', '--redis'], { env: { REDIS_URL: 'redis://127.0.0.1:1' } });
    expect(away.code).to.equal(1);
    expect(away.stdout).to.match(/^redis stops all .*ECONNREFUSED/m);
    expect((await runCommand(['check-config'], { env: { REDIS_URL: 'redis://127.0.0.1:1' } })).code).to.equal(0);
  });
});
