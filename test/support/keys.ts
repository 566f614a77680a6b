import type { Redis } from 'ioredis';

export type Keys = Record<string, { type: string; dump: Buffer; ttl: number }>;

/** Everything that is in Redis. */
export async function everyKey(redis: Redis): Promise<Keys> {
  const names = (await redis.keys('*')).sort();
  const pipeline = redis.pipeline();
  for (const name of names) pipeline.type(name).dumpBuffer(name).pttl(name);
  const answers = ((await pipeline.exec()) ?? []).map(([, answer]) => answer);
  const entries = names.map((name, i) => {
    const [type, dump, ttl] = answers.slice(3 * i, 3 * i + 3);
    return [name, { type: String(type), dump: dump as Buffer | null, ttl: Number(ttl) }] as const;
  });
  // A key may have expired since it was named.
  return Object.fromEntries(entries.filter(([, { dump }]) => dump !== null)) as Keys;
}

/** Makes it all that is in Redis. */
export async function restoreKeys(redis: Redis, keys: Keys): Promise<void> {
  const pipeline = redis.pipeline().flushall();
  for (const [name, { dump, ttl }] of Object.entries(keys)) pipeline.restore(name, Math.max(ttl, 0), dump);
  await pipeline.exec();
}

/** To be compared: what is in each key, and whether it ends. */
export function contents(keys: Keys): Record<string, string> {
  const entries = Object.entries(keys).map(([name, { type, dump, ttl }]) => [
    name,
    `${type} ${dump.toString('base64')}${ttl >= 0 ? ' ends' : ''}`,
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}

/** How many PUBLISHes Redis has carried out. */
export async function publishCalls(redis: Redis): Promise<number> {
  return Number(/cmdstat_publish:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
}
