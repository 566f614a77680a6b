import type { Redis } from 'ioredis';

/** Everything that is in Redis, to be compared: the key, its type, what is in it, and whether it ends. */
export async function everyKey(redis: Redis): Promise<Record<string, string>> {
  const keys = (await redis.keys('*')).sort();
  const all: Record<string, string> = {};
  for (const key of keys) {
    const [type, dump, ttl] = [await redis.type(key), await redis.dumpBuffer(key), await redis.pttl(key)];
    all[key] = `${type} ${dump?.toString('base64')}${ttl >= 0 ? ' ends' : ''}`;
  }
  return all;
}

/** What is PUBLISHed while `run` runs, on any topic. */
export async function publishedDuring(redis: Redis, run: () => Promise<unknown>): Promise<string[]> {
  const ear = redis.duplicate();
  const heard: string[] = [];
  ear.on('pmessage', (_pattern: string, topic: string, text: string) =>
    heard.push(`${topic} ${text.split('\n', 1)[0]}`),
  );
  await ear.psubscribe('*');
  await run();
  // Heard behind all that was published before it.
  const end = `end:${Math.random()}`;
  await redis.publish(end, '');
  while (!heard.some((text) => text.startsWith(end))) await new Promise((resolve) => setTimeout(resolve, 2));
  ear.disconnect();
  return heard.filter((text) => !text.startsWith(end));
}
