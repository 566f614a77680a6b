import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { openConnection } from '../../src/store/redis/connection.ts';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { inspectRedis } from '../../src/store/redis/inspect.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { COMMANDS } from '../../src/store/redis/library.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import { blocksOf, plain, read, table } from '../support/documents.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const FILE = new URL('../../docs/run/redis-users.acl', import.meta.url);
const KEY = 'sisyphus:{0}';
/** Only gateways with poll sessions need these. */
const INBOX = ['xack', 'xclaim', 'xdel', 'xgroup|create', 'xinfo|groups', 'xpending', 'xreadgroup'];
/** Without these the gateway works; it does not know what the settings of Redis weaken, and its connections have no names. */
const OPTIONAL = ['config|get', 'acl|getuser', 'client|setname', ...INBOX];

/** The rules of each user in the file. */
async function users(): Promise<Map<string, string[]>> {
  const lines = (await readFile(FILE, 'utf8')).trimEnd().split('\n');
  return new Map(lines.map((line) => line.split(' ')).map(([, name, ...rules]) => [name!, rules]));
}

function commandsOf(rules: string[]): string[] {
  return rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));
}

describe('the users in docs/run/redis-users.acl', function () {
  this.timeout(60_000);
  let folder: string;
  let server: RedisServer;
  let admin: Redis;
  let rules: Map<string, string[]>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sisyphus-users-'));
    await copyFile(FILE, join(folder, 'users.acl'));
    server = await startRedis({ args: ['--aclfile', join(folder, 'users.acl')] });
    admin = as('admin');
    rules = await users();
    await loadFunctions(as('gateway'), new Keys(undefined, 0));
  });
  beforeEach(async () => {
    await admin.call('ACL', 'LOAD');
    await admin.call('ACL', 'LOG', 'RESET');
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const as = (username: string): Redis =>
    server.client({ username, password: `change-me-${username}`, enableReadyCheck: false, disableClientInfo: true });
  const inspect = () => {
    const url = server.url.replace('//', '//gateway:change-me-gateway@');
    return inspectRedis(url, new Keys(undefined, 0), new PlainNames(['*:*'], ''));
  };

  it('have all commands of the library, and the application and plain ones no more than they need', () => {
    const library = COMMANDS.map((name) => name.toLowerCase()).sort();
    expect(commandsOf(rules.get('app')!).sort(), 'of app').to.deep.equal(
      [...library, 'client|setname', 'fcall'].sort(),
    );
    expect(commandsOf(rules.get('gateway')!), 'of gateway').to.include.members(library);
    expect(commandsOf(rules.get('plain')!), 'of plain').to.deep.equal(['publish', 'sadd', 'srem']);
    const [keys, topics] = [/^~(sisyphus:\{0\}\*|user:\*:channels)$/, /^&sisyphus\{0\}\/\*$/];
    const others = rules.get('app')!.filter((rule) => !/^(on|>.*|\+.*)$/.test(rule));
    expect(others.filter((rule) => !keys.test(rule) && !topics.test(rule))).to.deep.equal([]);
  });

  it('have each command in docs/run/redis-users.md, with the users that have it', async () => {
    const shown = table('docs/run/redis-users.md', 'command').map(([name, who]) => [plain(name!), plain(who!)]);
    const names = [...new Set(['gateway', 'app'].flatMap((user) => commandsOf(rules.get(user)!)))];
    const expected = names.map((name) => {
      const who = ['gateway', 'app'].filter((user) => commandsOf(rules.get(user)!).includes(name));
      return [name.replace('|', ' '), who.join(', ')];
    });
    expect(shown).to.have.deep.members(expected);
  });

  it('satisfy the probe of a gateway with a namespace, if they are changed as the page says', async () => {
    const [block] = blocksOf(read('docs/run/redis-users.md')).filter(({ text }) => text.startsWith('sed '));
    const words = block!.text.match(/'[^']+'/g)!.map((word) => word.slice(1, -1));
    const changed = execFileSync('sed', ['-e', words[0]!, '-e', words[1]!, fileURLToPath(FILE)], { encoding: 'utf8' });
    const line = changed.split('\n').find((text) => text.startsWith('user gateway '))!;
    await admin.call('ACL', 'SETUSER', 'gateway', 'reset', ...line.split(' ').slice(2));
    const url = server.url.replace('//', '//gateway:change-me-gateway@');
    const { lasting } = await inspectRedis(url, new Keys('shop', 0), new PlainNames(['*:*'], ''));
    expect(lasting).to.deep.equal([]);
    const without = await inspect();
    expect(without.lasting.map(({ reason }) => reason).join())
      .to.contain('~sisyphus:{0}*')
      .and.to.contain('&sisyphus{0}/*');
  });

  it('name +select where the address has a database', async () => {
    const url = `${server.url.replace('//', '//gateway:change-me-gateway@')}/3`;
    const inspectThird = () => inspectRedis(url, new Keys(undefined, 3), new PlainNames(['*:*'], ''));
    const refusal = await inspectThird().catch(({ message }: Error) => message);
    expect(refusal).to.match(/database 3 cannot be selected .*expected \+select in the ACL of user gateway$/);
    await admin.call('ACL', 'SETUSER', 'gateway', '+select', '&sisyphus{0}@3/*');
    expect((await inspectThird()).lasting).to.deep.equal([]);
  });

  it('satisfy the probe of a gateway, and nothing is denied', async () => {
    const { lasting, state, weaknesses } = await inspect();
    expect([...lasting, ...state]).to.deep.equal([]);
    expect(weaknesses.map(({ event }) => event)).to.deep.equal(['redis_keeps_nothing']);
    expect(await admin.call('ACL', 'LOG')).to.deep.equal([]);
  });

  it('connect without asking for anything that is refused, such as CLIENT SETINFO', async () => {
    await admin.config('RESETSTAT');
    const redis = openConnection(server.url.replace('//', '//gateway:change-me-gateway@'), 'commands');
    await once(redis, 'ready');
    await redis.ping();
    redis.disconnect();
    expect(await admin.info('stats')).to.match(/^total_error_replies:0\r$/m);
  });

  it('are noticed to lack any command of the gateway, which is named', async () => {
    const unnoticed: string[] = [];
    const keys = (await admin.keys('*')).sort();
    for (const command of commandsOf(rules.get('gateway')!)) {
      if (OPTIONAL.includes(command)) continue;
      await admin.call('ACL', 'SETUSER', 'gateway', `-${command}`);
      const { lasting } = await inspect();
      const name = command.toUpperCase().replace('|', ' ');
      const named = lasting.some(({ reason }) => {
        return reason.includes(`refuses ${name} to user gateway: expected +${command} in its ACL`);
      });
      if (!named) unnoticed.push(`${command}: ${lasting.map(({ reason }) => reason).join('; ')}`);
      expect((await admin.keys('*')).sort(), `tried without ${command}, and carried out`).to.deep.equal(keys);
      await admin.call('ACL', 'SETUSER', 'gateway', `+${command}`);
    }
    expect(unnoticed).to.deep.equal([]);
  });

  it('are noticed to lack any keys or channels of the gateway, which are named', async () => {
    const all = rules.get('gateway')!.filter((rule) => /^[~&]/.test(rule));
    expect(all).to.have.length(5);
    const unnoticed: string[] = [];
    for (const missing of all) {
      // Whoever may follow every channel may follow those of users.
      if (missing === '&user:*') continue;
      const left = all.filter((rule) => rule !== missing);
      await admin.call('ACL', 'SETUSER', 'gateway', 'resetkeys', 'resetchannels', ...left);
      const { lasting } = await inspect();
      const named = lasting.some(({ reason }) => reason.includes(`expected ${missing} in its ACL`));
      if (!named) unnoticed.push(`${missing}: ${lasting.map(({ reason }) => reason).join('; ')}`);
    }
    expect(unnoticed).to.deep.equal([]);
  });

  it('let the application publish, grant and revoke by function, and do nothing else', async () => {
    const app = as('app');
    for (const [list, type] of [
      ['1', 'set'],
      ['2', 'list'],
      ['3', 'zset'],
    ] as const) {
      const key = `user:${list}:channels`;
      if (type === 'list') await admin.rpush(key, 'room:9');
      else if (type === 'zset') await admin.zadd(key, 1, 'room:9');
      for (const call of ['grant', 'revoke']) await app.call('FCALL', `sisyphus_${call}`, '1', KEY, list, 'room:1');
    }
    await app.call('FCALL', 'sisyphus_publish', '1', KEY, 'room:1', 'text');
    expect(await admin.call('ACL', 'LOG')).to.deep.equal([]);
    const denied = [
      ['PUBLISH', 'room:1', 'text'],
      ['GET', 'other'],
      ['SUBSCRIBE', 'room:1'],
      ['FLUSHALL'],
      ['KEYS', '*'],
    ];
    for (const [command, ...args] of [...denied, ['CONFIG', 'GET', '*'], ['FUNCTION', 'FLUSH']]) {
      const answer = await app.call(command!, ...args).catch(({ message }: Error) => message);
      expect(answer, command).to.match(/^NOPERM/);
    }
  });

  it('tell the application which command a function is denied, and change nothing then', async () => {
    await admin.config('RESETSTAT');
    await as('app').call('FCALL', 'sisyphus_grant', '1', KEY, '4', 'room:1');
    const stats = await admin.info('commandstats');
    const used = [...stats.matchAll(/cmdstat_([a-z]+):/g)].map(([, name]) => name!);
    const library = COMMANDS.map((name) => name.toLowerCase()).filter((name) => used.includes(name));
    expect(library).to.include.members(['publish', 'xadd', 'sadd', 'hset']);
    for (const command of library) {
      // INFO was answered a moment ago; without the others a channel that is used once takes more room.
      if (['info', 'copy', 'rename', 'zcount'].includes(command)) continue;
      await admin.call('ACL', 'SETUSER', 'app', `-${command}`);
      const app = as('app');
      const answer = await app
        .call('FCALL', 'sisyphus_grant', '1', KEY, '5', 'room:1')
        .catch(({ message }: Error) => message);
      expect(answer, command).to.match(/^NOPERM .*; expected ~sisyphus:\{0\}\*/);
      expect(await admin.exists('user:5:channels'), command).to.equal(0);
      await admin.call('ACL', 'SETUSER', 'app', `+${command}`);
    }
  });

  it('let a plain application publish and keep lists, and speak on no topic of the gateways', async () => {
    const publisher = as('plain');
    expect(await publisher.publish('room:1', 'text')).to.equal(0);
    await publisher.sadd('user:6:channels', 'room:1');
    await publisher.srem('user:6:channels', 'room:1');
    for (const [command, ...args] of [
      ['PUBLISH', 'sisyphus{0}/room/1', '1 1 0 - x'],
      ['GET', `${KEY}:clock`],
      ['SADD', KEY, 'x'],
    ]) {
      expect(await publisher.call(command!, ...args).catch(({ message }: Error) => message)).to.match(/^NOPERM/);
    }
  });
});
