import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { SisyphusError } from '../../src/errors.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RedisFleetReports } from '../../src/store/redis/redis-fleet-reports.ts';

/** A Redis of which each command is noted, and answered by `answer`. */
function redisWith(answer: () => Promise<unknown>): { redis: Redis; commands: string[] } {
  const commands: string[] = [];
  const noting = (name: string) => () => {
    commands.push(name);
    return answer();
  };
  const names = ['fcall', 'hset', 'pexpire', 'hdel', 'hgetall'];
  return { commands, redis: Object.fromEntries(names.map((name) => [name, noting(name)])) as unknown as Redis };
}

describe('what gateways say of themselves in Redis', () => {
  it('is written after a function has looked at the replication id', async () => {
    const { redis, commands } = redisWith(async () => 1);
    const reports = new RedisFleetReports(redis, new Keys(undefined, 0));
    await reports.write('a', '{}');
    await reports.remove(['a']);
    expect(commands).to.deep.equal(['fcall', 'hset', 'pexpire', 'fcall', 'hdel']);
  });

  it('fails with an error of the store while Redis is away, which is no mistake of the gateway', async () => {
    const { redis } = redisWith(() => Promise.reject(new Error('Connection is closed.')));
    const reports = new RedisFleetReports(redis, new Keys(undefined, 0));
    for (const act of [() => reports.write('a', '{}'), () => reports.remove(['a']), () => reports.read()]) {
      const error = await act().catch((thrown: unknown) => thrown);
      expect(error).to.be.an.instanceOf(SisyphusError).with.property('code', 'redis_unavailable');
    }
  });
});
