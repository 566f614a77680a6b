import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Monitor } from '../test/support/monitor.ts';
import { freePort, start, stop, until } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface RedisServer {
  port: number;
  pid: number;
  client: Redis;
  close(): Promise<void>;
}

/** A Redis of its own for each peer and turn, so that nobody pays for another's keys. No persistence, as for all peers. */
export async function startRedis(): Promise<RedisServer> {
  const folder = temporaryFolder('redis');
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const started = start(['redis-server', ...options], { log: join(folder, 'log') });
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null });
  // Refused connections while it starts; `until` below has the last word.
  client.on('error', () => undefined);
  await until('redis-server answers', 10, async () => ((await client.ping()) === 'PONG' ? true : undefined));
  return {
    port,
    pid: started.pid,
    client,
    async close() {
      client.disconnect();
      await stop(started);
    },
  };
}

/**
 * Counts the commands that reach Redis from outside while `work` runs; `INFO` counts those inside scripts too, which
 * cost neither a round trip nor a parse.
 */
export async function commandsDuring(redis: RedisServer | undefined, work: () => Promise<unknown>): Promise<number> {
  if (!redis) {
    await work();
    return 0;
  }
  let count = 0;
  const monitor = await new Monitor(redis.port, ({ inScript }) => {
    if (!inScript) count++;
  }).ready();
  await work();
  // Redis sends what is monitored before it answers this; the monitor's own connection may be a moment behind.
  await redis.client.ping();
  await new Promise((resolve) => setTimeout(resolve, 200));
  monitor.close();
  return count;
}
