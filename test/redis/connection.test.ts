import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { openConnection, suspect } from '../../src/store/redis/connection.ts';
import { Progress } from '../../src/store/redis/progress.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Link, Relay } from '../support/relay.ts';
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

describe('a connection on which a command was not answered in time', () => {
  const LATE = new Error('Command timed out');
  let server: RedisServer;
  let relay: Relay;
  let redis: Redis;
  let link: Link;
  let url: string;
  beforeEach(async () => {
    server = await startRedis();
    await server.client().set('text', 'x'.repeat(1_000_000));
    relay = new Relay({ targetPort: server.port });
    await relay.start();
    url = `redis://127.0.0.1:${relay.port}`;
    redis = openConnection(url, 'commands');
    await once(redis, 'ready');
    link = [...relay.links][0]!;
  });
  afterEach(async () => {
    redis.disconnect();
    await relay.stop();
    await server.stop();
  });

  it('is cut where new ones are answered, and nothing comes on it', async () => {
    const progress = new Progress([redis]);
    progress.look();
    await redis.ping();
    expect(progress.look()).to.equal(true);
    link.silence();
    suspect(redis, url, LATE);
    await once(redis, 'close');
    await once(redis, 'ready');
    expect(progress.look(), 'that it was made anew says nothing').to.equal(false);
  });

  it('is kept where answers come, however slowly', async () => {
    let isClosed = false;
    redis.on('close', () => {
      isClosed = true;
    });
    const progress = new Progress([redis]);
    link.down.throttle(1000, 20);
    const text = redis.get('text').catch(() => undefined);
    suspect(redis, url, LATE);
    for (let i = 0; i < 25; i++) {
      await pause(100);
      expect(progress.look()).to.equal(i > 0);
    }
    expect(isClosed).to.equal(false);
    redis.disconnect();
    await text;
  });
});
