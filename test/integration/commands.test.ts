import { expect } from 'chai';
import { LIBRARY, VERSION } from '../../src/store/redis/library.ts';
import { freePort } from '../support/child.ts';
import { type CommandResult, runCommand } from '../support/command-line.ts';
import { startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const NONE = 'Redis has no functions of a gateway: expected the Redis of one, or bin/sisyphus functions load before';
const TIME = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';

describe('the commands that look', function () {
  this.timeout(30_000);
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const env = (): Record<string, string> => ({
    REDIS_URL: world.redis.url,
    SISYPHUS_URL: world.gateway.url,
    SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
  });
  const run = async (...args: string[]): Promise<CommandResult> => {
    const result = await runCommand(args, { env: env() });
    expect(result.code, result.stderr).to.equal(0);
    return result;
  };
  const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await run(...args, '--json')).stdout) as T;

  it('status: a row for each gateway, and 1 if one is not ready', async () => {
    const { stdout } = await run('status');
    expect(stdout.split('\n')[0]).to.match(/^gateway +version +ready +redis +streams +users +channels +recorder$/);
    expect(stdout.split('\n')[1]).to.match(/^http:\/\/127\.0\.0\.1:\d+ +\S+ +yes +up +\d+ +\d+ +\d+ +leader$/);
    const both = ['status', '--gateways', `${world.gateway.url}, http://127.0.0.1:1`];
    const gone = await runCommand(both, { env: env() });
    expect(gone.code).to.equal(1);
    expect(gone.stdout)
      .to.match(/^http:\/\/127\.0\.0\.1:1 +- +no/m)
      .and.to.contain('cannot reach http://127.0.0.1:1/readyz');
  });

  it('streams: those of all users, and of one those that have ended', async () => {
    const stream = await world.openOk({ path: '/?user=streamer' });
    const users = (await json<{ user: string }[]>('streams')).map(({ user }) => user);
    expect(users).to.include('streamer');
    const [one] = await json<Record<string, string>[]>('streams', 'streamer');
    expect(one).to.include({ user: 'streamer', start: 'now' });
    stream.close();
    const text = (await run('streams', 'streamer')).stdout;
    expect(text).to.match(/^gateway +user +since +start +position +ended +reason\n/);
    expect(text).to.match(new RegExp(`/${world.gateway.pid} +streamer +${TIME} +now +\\d{16}`));
  });

  it('streams: one gateway that cannot be asked hides none of the others, and ends with 1', async () => {
    const stream = await world.openOk({ path: '/?user=shown' });
    const both = ['streams', 'shown', '--json', '--gateways', `http://127.0.0.1:1,${world.gateway.url}`];
    const { code, stdout, stderr } = await runCommand(both, { env: env() });
    expect([code, (JSON.parse(stdout) as unknown[]).length]).to.deep.equal([1, 1]);
    expect(stderr).to.match(/^sisyphus: cannot reach http:\/\/127\.0\.0\.1:1\/streams[^\n]*\n$/);
    stream.close();
  });

  it('streams: every worker of a gateway is asked', async () => {
    const workers = await startGateway({ ...env(), SISYPHUS_WORKERS: '2' });
    await eventually(() => workers.logs.filter(({ event }) => event === 'listening').length === 2, 15_000);
    const streams = Array.from({ length: 6 }, () => world.openOk({ path: '/?user=many', port: workers.port }));
    try {
      await Promise.all(streams);
      const found = await json<{ gateway: string }[]>('streams', 'many', '--url', workers.url);
      expect(found).to.have.length(6);
      expect(new Set(found.map(({ gateway }) => gateway)).size).to.equal(2);
    } finally {
      world.closeStreams();
      await workers.stop();
    }
  });

  it('channels: the newest first, and only those of the pattern', async () => {
    await world.publish.fcall('look:1', 'a');
    await world.publish.fcall('look:2', 'b');
    await world.publish.fcall('look:1', 'c');
    const { stdout } = await run('channels', 'look:*');
    expect(stdout).to.match(
      new RegExp(`^channel +revision +kept +last message\nlook:1 +#2 +2 +${TIME}\nlook:2 +#1 +1 +${TIME}\n$`),
    );
    const limited = await run('channels', 'look:*', '--limit', '1');
    expect(limited.stderr).to.match(/^sisyphus: 1 more are not shown/);
  });

  it('rights: the list, since when, and its changes', async () => {
    await world.allow('9', 'look:1');
    await run('grant', '9', 'look:2');
    await run('revoke', '9', 'look:2');
    const { stdout } = await run('rights', '9');
    expect(stdout).to.match(/^channel +since\nlook:1 +-\n\nchange +channel +place +time\ngranted +look:2 /);
    const { channels, changes } = await json<{ channels: object[]; changes: { kind: string }[] }>('rights', '9');
    expect(channels).to.deep.equal([{ channel: 'look:1', since: null }]);
    expect(changes.map(({ kind }) => kind)).to.deep.equal(['granted', 'revoked']);
  });

  it('rights: the command changes nothing', async () => {
    await world.allow('10', 'look:1');
    await run('rights', '10');
    expect(await world.client.exists('sisyphus:{0}:user:10:rights')).to.equal(0);
  });

  it('history: time, id, revision and data of each message, which cannot steer a terminal', async () => {
    const first = await world.publish.fcall('old:1', 'one\x1b[31m\n2026-11-28T04:54:00.123Z 1 #2 forged');
    await world.publish.fcall('old:1', 'two', 'moved');
    const { stdout } = await run('history', 'old:1');
    expect(stdout.split('\n')[0]).to.match(
      new RegExp(`^${TIME} ${first.id} #1 one\\\\u001b\\[31m\\\\u000a2026-\\S+ 1 #2 forged$`),
    );
    expect(stdout.split('\n')).to.have.length(3);
    const { stdout: later } = await run('history', 'old:1', '--since', first.id!, '--json');
    expect(JSON.parse(later)).to.include({ revision: 2, event: 'moved', data: 'two' });
    expect((await run('history', 'old:2')).stderr).to.equal('sisyphus: nothing is kept of old:2\n');
  });

  it('ping: publishes, reads, and says how long both took', async () => {
    const { stdout } = await run('ping', '--count', '2');
    expect(stdout).to.match(/^(\d{16} published after [\d.]+ ms, read after [\d.]+ ms\n){2}$/);
    const nowhere = await runCommand(['ping', '--url', `http://127.0.0.1:${await freePort()}`], { env: env() });
    expect(nowhere).to.include({ code: 1 });
    expect(nowhere.stderr).to.match(/^sisyphus: cannot reach http:\/\/127\.0\.0\.1:\d+ \([^\n]*ECONNREFUSED[^\n]*\n$/);
  });

  it('say what Redis denies, or that it takes no such password, and what would be right', async () => {
    await world.redis.client().call('ACL', 'SETUSER', 'looker', 'on', '>right', '~*', '&*', '+@all', '-scan');
    const as = (password: string, ...args: string[]): ReturnType<typeof runCommand> =>
      runCommand(args, { env: { REDIS_URL: world.redis.url.replace('redis://', `redis://looker:${password}@`) } });
    expect(await as('right', 'channels')).to.deep.include({
      code: 1,
      stderr: 'sisyphus: Redis refuses SCAN to user looker: expected +scan in its ACL, or another user in REDIS_URL\n',
    });
    await world.redis.client().call('ACL', 'SETUSER', 'looker', '-fcall_ro');
    for (const args of [
      ['rights', '7'],
      ['history', 'old:1'],
      ['why', '--user', '7', '--channel', 'old:1'],
    ]) {
      expect((await as('right', ...args)).stderr).to.equal(
        'sisyphus: Redis refuses FCALL_RO to user looker: expected +fcall_ro in its ACL, or another user in REDIS_URL\n',
      );
    }
    for (const args of [
      ['history', 'old:1'],
      ['publish', 'old:1', 'x'],
    ]) {
      const { code, stderr } = await as('wrong', ...args);
      expect(code).to.equal(1);
      expect(stderr).to.match(
        /^sisyphus: Redis does not take the user and password [^\n]*WRONGPASS[^\n]*expected [^\n]*\n$/,
      );
    }
  });

  it('refuse what they cannot use', async () => {
    for (const args of [
      ['channels', '--limit', '0'],
      ['history', 'old:1', '--limit', 'all'],
      ['history', 'old:1', '--since', 'x'],
      ['ping', '--count', '0'],
      ['status', '--gateways', 'ftp://x'],
      ['functions', 'drop'],
    ]) {
      const { code, stderr } = await runCommand(args, { env: env() });
      expect(code, args.join(' ')).to.equal(2);
      expect(stderr).to.match(/^sisyphus: [^\n]*expected [^\n]*\n$/);
    }
    expect(await runCommand(['rights', '7'])).to.include({ code: 2 });
  });
});

describe('functions', () => {
  it('are loaded before any gateway runs, and printed; commands that look load none', async () => {
    const redis = await startRedis();
    try {
      const env = { REDIS_URL: redis.url };
      const load = async (): Promise<string> => (await runCommand(['functions', 'load'], { env })).stdout;
      for (const args of [
        ['history', 'room:1'],
        ['rights', '7'],
        ['why', '--user', '7', '--channel', 'room:1'],
      ]) {
        const { code, stderr } = await runCommand(args, { env });
        expect([code, stderr]).to.deep.equal([1, `sisyphus: ${NONE}\n`]);
      }
      expect(await redis.client().call('FUNCTION', 'LIST')).to.deep.equal([]);
      expect(await load()).to.equal(`version ${VERSION} was loaded\n`);
      expect(await load()).to.equal(`version ${VERSION} was there\n`);
      await redis.client().call('FUNCTION', 'LOAD', 'REPLACE', LIBRARY.replace(`VERSION = ${VERSION}`, 'VERSION = 1'));
      expect(await load()).to.equal(`version ${VERSION} was loaded in place of 1\n`);
      expect((await runCommand(['functions', 'print'])).stdout).to.equal(LIBRARY);
    } finally {
      await redis.stop();
    }
  });
});
