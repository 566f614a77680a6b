import { join } from 'node:path';
import { Redis } from 'ioredis';
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

export async function commandsProcessed(client: Redis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
}

/** Calls per command since the last `CONFIG RESETSTAT`; those made inside scripts are among them. */
export async function commandCalls(client: Redis): Promise<Record<string, number>> {
  const calls: Record<string, number> = {};
  for (const [, name, count] of (await client.info('commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
    calls[name!] = Number(count);
  }
  return calls;
}
