import { expect } from 'chai';
import { createLogger } from '../../src/logger.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { redisRightsContract } from './redis-rights.ts';
import { DEFAULTS, Ear, type Settings, storeContract } from './store.ts';

let server: RedisServer;

before(async () => {
  server = await startRedis();
});
after(() => server.stop());

/** An empty Redis that knows how much is to be kept. */
async function open({ backlog, maxMessage }: Settings): Promise<RedisStore> {
  const client = server.client();
  await client.flushall();
  const logger = createLogger('silent');
  const store = new RedisStore({ url: server.url, logger, backlog, maxMessage, rawChannels: [] });
  await eventually(async () => (await client.hget('sisyphus:{0}:clock', 'max')) === String(maxMessage));
  client.disconnect();
  return store;
}

storeContract('the store in Redis', open);
redisRightsContract(open, () => server.client());

describe('the store in Redis, and Redis', () => {
  it('are at one about what is subscribed', async () => {
    const store = await open(DEFAULTS);
    const redis = server.client();
    const subscribed = async (): Promise<number> => ((await redis.pubsub('CHANNELS', '*')) as string[]).length;
    const ear = await Ear.at(store, 'room:1', 'room:2', 'user:7');
    // The user's own is heard twice: recorded, and as it is published.
    expect(await subscribed()).to.equal(4);
    store.source.unsubscribe(['room:1', 'user:7']);
    await ear.mark();
    expect(await subscribed()).to.equal(1);
    await store.close();
    redis.disconnect();
  });
});
