import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { connectPublisher } from '../../src/store/redis/connect.ts';
import { openConnection } from '../../src/store/redis/connection.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

describe('a connection by an address', () => {
  let folder: string;
  let server: RedisServer;
  const opened: Redis[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
    const socket = ['--unixsocket', join(folder, 're dis.sock')];
    server = await startRedis({ args: [...socket, '--user', 'app', 'on', '>p+q', '~*', '&*', '+@all'] });
  });
  afterEach(() => {
    for (const redis of opened.splice(0)) redis.disconnect();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const open = (url: string): Redis => {
    const redis = openConnection(url, 'test');
    opened.push(redis);
    return redis;
  };

  it('asks the database, and as the user, that it names', async () => {
    const host = `127.0.0.1:${server.port}`;
    const path = join(folder, 're%20dis.sock');
    const rows: [string, string, string][] = [
      [`redis://${host}`, 'default', '0'],
      [`redis://${host}/3`, 'default', '3'],
      [`redis://${host}?db=4`, 'default', '4'],
      [`redis://app:p+q@${host}/15`, 'app', '15'],
      [`redis://${host}?username=app&password=p%2Bq&db=5&protocol=3`, 'app', '5'],
      [`redis+unix://${path}`, 'default', '0'],
      [`redis+unix://${path}?db=6&username=app&password=p%2Bq`, 'app', '6'],
      [join(folder, 'link.sock'), 'default', '0'],
    ];
    // A path alone is taken as it is, and may have no spaces.
    await symlink(join(folder, 're dis.sock'), join(folder, 'link.sock'));
    for (const [url, user, database] of rows) {
      const redis = open(url);
      await eventually(() => redis.status === 'ready');
      const info = String(await redis.client('INFO'));
      expect([/ user=(\S+)/.exec(info)![1], / db=(\d+)/.exec(info)![1]], url).to.deep.equal([user, database]);
    }
  });

  it('is never ready with another database than the one that it names', async () => {
    const url = `redis://127.0.0.1:${server.port}/16`;
    // The driver asks for INFO before it is ready, or does not: it must not get that far.
    for (const asks of [true, false]) {
      const redis = open(url);
      redis.options.enableReadyCheck = asks;
      const reasons: string[] = [];
      let isReady = false;
      redis.on('error', ({ message }: Error) => reasons.push(message));
      redis.on('ready', () => {
        isReady = true;
      });
      // A second attempt is no better than the first.
      await eventually(() => reasons.length >= 2);
      expect([...new Set(reasons)]).to.have.length(1);
      expect(reasons[0]).to.match(/^database 16 cannot be selected \(ERR .*\); expected one that this Redis has$/);
      expect(isReady).to.equal(false);
    }
    const refusal = await connectPublisher(url, undefined).catch((error: Error) => error);
    expect(refusal).to.be.an('error').with.property('message').that.contains('database 16 cannot be selected');
  });
});
