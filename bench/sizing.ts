/**
 * What Redis needs: memory for channels of this length and size, and its processor time for a message that is published by FCALL and by
 * plain PUBLISH (which a gateway records). For docs/run/limits-and-sizing.md: node --import=tsx bench/sizing.ts
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../src/store/redis/functions.ts';
import { Keys } from '../src/store/redis/keys.ts';
import { startGateway } from '../test/support/gateway.ts';
import { startRedis } from '../test/support/redis.ts';
import { eventually } from '../test/support/wait.ts';

const KEY = 'sisyphus:{0}';
/** Messages in one call, and calls that wait for an answer. */
const BATCH = 500;
const MESSAGES = 20_000;
/** Channels, messages of each, bytes of each. */
const KEPT: [channels: number, length: number, size: number][] = [
  [10_000, 1, 100],
  [10_000, 10, 100],
  [1000, 100, 100],
  [1000, 100, 1000],
  [100, 1000, 100],
  [100, 1000, 1000],
];

const figure = async (redis: Redis, section: string, name: string): Promise<number> =>
  Number(new RegExp(`${name}:([\\d.]+)`).exec(await redis.info(section))![1]);

/** Random digits, because Redis would not store the same text any smaller, and neither would this. */
const text = (size: number): string => randomBytes(size / 2).toString('hex');

async function memoryOf(channels: number, length: number, size: number): Promise<number> {
  const server = await startRedis();
  try {
    const redis = server.client();
    await loadFunctions(redis, new Keys(undefined, 0));
    await redis.fcall('sisyphus_configure', 1, KEY, String(length), '86400000', '', '262144');
    const before = await figure(redis, 'memory', 'used_memory');
    const names = Array.from({ length: channels * length }, (_, i) => `room:${i % channels}`);
    for (let at = 0; at < names.length; at += BATCH) {
      const messages = names.slice(at, at + BATCH).flatMap((name) => [name, text(size), '']);
      await redis.fcall('sisyphus_publish_batch', 1, KEY, '', '', '0', ...messages);
    }
    return (await figure(redis, 'memory', 'used_memory')) - before;
  } finally {
    await server.stop();
  }
}

/** Processor time of a process (ms). The fields behind its name: utime and stime, in hundredths of a second. */
function processTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const cpuOf = async (redis: Redis): Promise<number> =>
  (await figure(redis, 'cpu', 'used_cpu_sys')) + (await figure(redis, 'cpu', 'used_cpu_user'));

/** Microseconds of Redis and of the gateway for each message. */
async function costOf(way: 'FCALL' | 'PUBLISH', plainChannels: string): Promise<string> {
  const server = await startRedis();
  const gateway = await startGateway({ REDIS_URL: server.url, SISYPHUS_RAW_CHANNELS: plainChannels });
  try {
    const redis = server.client();
    const revision = `${KEY}:channel:room:1:msg_id`;
    const began = await cpuOf(redis);
    const gatewayBegan = processTime(gateway.pid);
    for (let at = 0; at < MESSAGES; at += BATCH) {
      const calls = Array.from({ length: BATCH }, () =>
        way === 'FCALL'
          ? redis.fcall('sisyphus_publish', 1, KEY, 'room:1', text(100))
          : redis.publish('room:1', text(100)),
      );
      await Promise.all(calls);
    }
    await eventually(async () => Number(await redis.get(revision)) === MESSAGES, 60_000, 50);
    const inRedis = ((await cpuOf(redis)) - began) * (1_000_000 / MESSAGES);
    const inGateway = (processTime(gateway.pid) - gatewayBegan) * (1000 / MESSAGES);
    return `${inRedis.toFixed(0)} us of Redis and ${inGateway.toFixed(0)} us of the gateway a message`;
  } finally {
    await gateway.stop();
    await server.stop();
  }
}

for (const [channels, length, size] of KEPT) {
  const bytes = await memoryOf(channels, length, size);
  const perMessage = Math.round(bytes / channels / length);
  console.log(
    `${channels} channels x ${length} x ${size} bytes: ${(bytes / 1e6).toFixed(1)} MB, ${perMessage} B a message`,
  );
}
for (const [way, plainChannels] of [
  ['FCALL', ''],
  ['FCALL', '*:*'],
  ['PUBLISH', '*:*'],
] as const) {
  console.log(`${way}, SISYPHUS_RAW_CHANNELS=${plainChannels}: ${await costOf(way, plainChannels)}`);
}
process.exit(0);
