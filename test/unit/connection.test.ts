import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { openConnection } from '../../src/store/redis/connection.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

describe('the connection for commands', () => {
  let server: RedisServer;
  let redis: Redis;
  before(async () => {
    server = await startRedis();
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('leaves a master that is one no longer once, however many commands it refuses in one go', async () => {
    const admin = server.client();
    await admin.call('REPLICAOF', '127.0.0.1', '1');
    redis = openConnection(server.url, 'commands');
    await eventually(() => redis.status === 'ready');
    const warnings: string[] = [];
    const warned = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', warned);
    let closed = 0;
    redis.on('close', () => closed++);
    const refusals = await Promise.all(
      Array.from({ length: 50 }, () => redis.set('key', 'text').catch((error: Error) => error.message.split(' ')[0])),
    );
    expect(new Set(refusals)).to.deep.equal(new Set(['READONLY']));
    await admin.call('REPLICAOF', 'NO', 'ONE');
    await eventually(() => closed > 0 && redis.status === 'ready');
    expect(await redis.set('key', 'text')).to.equal('OK');
    expect(closed).to.equal(1);
    // A second time it leaves again.
    await admin.call('REPLICAOF', '127.0.0.1', '1');
    await redis.set('key', 'text').catch(() => undefined);
    await eventually(() => closed === 2);
    process.off('warning', warned);
    expect(warnings).to.deep.equal([]);
  });
});
