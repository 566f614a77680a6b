import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Gateway, startGateway } from './gateway.ts';
import { openStream, type RawStream } from './raw-stream.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { eventually } from './wait.ts';

const KEY = 'sisyphus:{0}';
/** The default of `pause` (ms). */
const PAUSE = 1500;

export interface RestartsOptions {
  /** `SISYPHUS_RAW_CHANNELS`; empty: no plain PUBLISH is recorded. */
  rawChannels: string;
  /** Each follows one room, and its own channel. */
  readers: number;
  restarts: number;
  /** Whether somebody publishes by plain PUBLISH besides, on a channel that nobody reads. */
  hasPlain: boolean;
  /** How long after a restart the next thing happens (ms): by then the gateway has healed and its readers are told. */
  pause?: number;
}

export interface Restarts {
  /** Resets that all readers were told, by reason. */
  resets: Record<string, number>;
  /** Messages that publishers were told are published. */
  published: number;
  /** How many of them did not reach a reader that should have them. */
  lost: number;
  /** How often a stream ended. */
  ended: number;
}

/** Restarts a Redis that keeps everything on disk while it is published to, and counts what readers notice. */
export async function playRestarts({
  rawChannels,
  readers,
  restarts,
  hasPlain,
  pause = PAUSE,
}: RestartsOptions): Promise<Restarts> {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  let gateway: Gateway | undefined;
  let plain: PlainPublishing | undefined;
  const streams: RawStream[] = [];
  try {
    gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_RAW_CHANNELS: rawChannels });
    const { port, url } = gateway;
    await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, 10_000);
    const client = redis.client({ enableReadyCheck: false });
    for (let i = 0; i < readers; i++) await client.sadd(`user:${i}:channels`, `room:${i}`);
    for (let i = 0; i < readers; i++) streams.push(await openStream({ port, path: `/?user=${i}` }).ok());
    const publishing = new Publishing(client, readers);
    plain = hasPlain ? new PlainPublishing(redis.port) : undefined;
    for (let i = 0; i < restarts; i++) {
      await wait(pause);
      await restart(redis);
    }
    await wait(pause);
    plain?.stop();
    const published = await publishing.stop();
    return { ...(await whatCame(streams, published)), published: published.length };
  } finally {
    plain?.stop();
    for (const stream of streams) stream.close();
    await gateway?.stop();
    await redis.stop();
  }
}

async function restart(redis: RedisServer): Promise<void> {
  redis.kill('SIGTERM');
  await redis.restart();
}

/** Publishes as an application does that neither waits for answers nor tries again, and is back at once when Redis is. */
class PlainPublishing {
  readonly #redis: Redis;
  readonly #timer: NodeJS.Timeout;

  constructor(port: number) {
    this.#redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 5, enableReadyCheck: false });
    this.#redis.on('error', () => undefined);
    this.#timer = setInterval(() => {
      if (this.#redis.status === 'ready') this.#redis.publish('other:1', 'hello').catch(() => undefined);
    }, 2);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#redis.disconnect();
  }
}

interface Published {
  reader: number;
  text: string;
}

/** Publishes into one room after the other, each message again until it is published. */
class Publishing {
  readonly #published: Published[] = [];
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(redis: Redis, rooms: number) {
    this.#done = this.#publish(redis, rooms);
  }

  async stop(): Promise<Published[]> {
    this.#isOver = true;
    await this.#done;
    return this.#published;
  }

  async #publish(redis: Redis, rooms: number): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const reader = number % rooms;
      const text = `message ${number}`;
      // If an answer is lost, the message is published twice.
      const call = () => redis.fcall('sisyphus_publish', 1, KEY, `room:${reader}`, text);
      while (!(await call().catch(() => undefined))) await wait(10);
      this.#published.push({ reader, text });
      await wait(5);
    }
  }
}

async function whatCame(
  streams: RawStream[],
  published: Published[],
): Promise<Pick<Restarts, 'resets' | 'lost' | 'ended'>> {
  const missing = (): Published[] => {
    const got = streams.map(({ messages }) => new Set(messages.map(({ data }) => data)));
    return published.filter(({ reader, text }) => !got[reader]!.has(text));
  };
  await eventually(() => missing().length === 0, 5000).catch(() => undefined);
  const resets: Record<string, number> = {};
  for (const { frames } of streams) {
    for (const { event, data } of frames) {
      if (event !== 'reset') continue;
      const [, reason = ''] = /<reason>(.*)<\/reason>/.exec(data ?? '') ?? [];
      resets[reason] = (resets[reason] ?? 0) + 1;
    }
  }
  return { resets, lost: missing().length, ended: streams.filter(({ closed }) => closed).length };
}
