import type { Redis } from 'ioredis';
import { type Gateway, startGateway } from './gateway.ts';
import { PUBLISH_SECRET, type Publish, publishers, type Way } from './publisher.ts';
import { openStream, type RawRequest, type RawStream } from './raw-stream.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { type Link, startRelay } from './relay.ts';
import { Stopwatch } from './stopwatch.ts';
import { eventually } from './wait.ts';

/** A Redis, a gateway on it, and a hand in each: what most black-box tests start from. */
export interface World {
  readonly redis: RedisServer;
  readonly gateway: Gateway;
  readonly client: Redis;
  readonly publish: Record<Way, Publish>;
  /** Puts channels on the user's list, as an application would: a set, written directly. */
  allow(user: string, ...channels: string[]): Promise<void>;
  /** A stream that is closed with the world. */
  open(request?: Omit<RawRequest, 'port'> & { port?: number }): RawStream;
  openOk(request?: Omit<RawRequest, 'port'> & { port?: number }): Promise<RawStream>;
  /** Takes the time in which Redis and the gateway can run. */
  stopwatch(): Stopwatch;
  /** Closes the streams that are open. */
  closeStreams(): void;
  stop(): Promise<void>;
}

interface WorldOptions {
  /** How long each byte between gateway and Redis travels, one way: what takes no time at all hides every race. */
  redisDelayMs?: number;
  redisArgs?: string[];
}

export async function startWorld(env: Record<string, string> = {}, options: WorldOptions = {}): Promise<World> {
  const { redisDelayMs = 0, redisArgs = [] } = options;
  const redis = await startRedis({ args: redisArgs });
  const onLink = ({ up, down }: Link): void => {
    up.delay(redisDelayMs);
    down.delay(redisDelayMs);
  };
  const way = redisDelayMs > 0 ? await startRelay({ targetPort: redis.port, onLink }) : undefined;
  const url = way ? `redis://127.0.0.1:${way.port}` : redis.url;
  const variables = { REDIS_URL: url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET, ...env };
  const gateway = await startGateway(variables).catch(async (error: unknown) => {
    await way?.stop();
    await redis.stop();
    throw error;
  });
  const client = redis.client();
  const streams = new Set<RawStream>();
  const closeStreams = (): void => {
    for (const stream of streams) stream.close();
    streams.clear();
  };
  const world: World = {
    redis,
    gateway,
    client,
    publish: publishers(client, gateway.url),
    allow: async (user, ...channels) => {
      await client.sadd(`user:${user}:channels`, ...channels);
    },
    open: (request = {}) => {
      const stream = openStream({ port: gateway.port, ...request });
      streams.add(stream);
      return stream;
    },
    openOk: (request = {}) => world.open(request).ok(),
    stopwatch: () => new Stopwatch(() => ({ redis: redis.pid, gateways: [gateway.pid] })),
    closeStreams,
    stop: async () => {
      closeStreams();
      try {
        await gateway.stop();
      } finally {
        await way?.stop();
        await redis.stop();
      }
    },
  };
  // A plain PUBLISH counts from the moment on that a recorder listens.
  await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000).catch(async (error) => {
    await world.stop();
    throw error;
  });
  return world;
}
