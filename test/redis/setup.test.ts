import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import type { RedisSettings } from '../../src/store/redis/redis-settings.ts';
import { Setup } from '../../src/store/redis/setup.ts';
import { Standing } from '../../src/store/redis/standing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const SETTINGS = { say: async () => undefined, isDue: false } as unknown as RedisSettings;

describe('what is changed in Redis while a gateway runs', function () {
  this.timeout(30_000);
  let server: RedisServer;
  let admin: Redis;
  let setup: Setup;
  const standing = new Standing();

  before(async () => {
    server = await startRedis({ args: ['--appendonly', 'yes', '--maxmemory', '1gb'] });
    admin = server.client();
    await admin.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~*', '&*', '+@all');
    setup = new Setup({
      commands: server.client({ username: 'gateway', password: 'pw' }),
      url: server.url.replace('://', '://gateway:pw@'),
      keys: new Keys(undefined, 0),
      names: new PlainNames(['*:*'], ''),
      settings: SETTINGS,
      standing,
      isPrivate: false,
      logger: createLogger('silent'),
      period: 50,
    });
    await setup.look();
  });
  after(async () => {
    setup.close();
    await server.stop();
  });

  /** As the heartbeat does, until it is so. */
  const until = (isSo: () => boolean): Promise<boolean> =>
    eventually(
      () => {
        setup.remind();
        return isSo();
      },
      10_000,
      50,
    );
  const reasons = (): string =>
    standing
      .troubles()
      .map(({ reason }) => reason)
      .join();

  it('is found although nobody has needed it: a command that its ACL denies, until it is allowed again', async () => {
    expect([reasons(), setup.weaknesses]).to.deep.equal(['', []]);
    await admin.call('ACL', 'SETUSER', 'gateway', '-xrange');
    await until(() => /expected \+xrange/.test(reasons()));
    await admin.call('ACL', 'SETUSER', 'gateway', '+xrange');
    await until(() => reasons() === '');
  });

  it('is found: a setting by which it evicts keys', async () => {
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await until(() => /evicts keys/.test(setup.weaknesses.join()));
  });
});
