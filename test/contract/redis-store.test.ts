import { createLogger } from '../../src/logger.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { redisRightsContract } from './redis-rights.ts';
import { type Settings, storeContract } from './store.ts';

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
