import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { COMMAND } from '../../patience.ts';
import { closeConnection, openConnection } from './connection.ts';
import { readVersion } from './functions.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';
import type { RedisTarget } from './target.ts';
import { ask } from './weaknesses.ts';

/** How long plain PUBLISHes are listened to (ms). */
const LISTENING = 1000;

/** What an operator wants to know of a Redis, besides whether a gateway can use it. A part that the user may not ask for is `undefined`. */
export interface Figures {
  /** Such as `Redis 7.0.15`. */
  server: string;
  /** The number of the library of functions; 0 if there is none. */
  functions: number | undefined;
  /** How much the clock of this machine is ahead of the clock of Redis (ms), give or take `roundTrip`. */
  ahead: number;
  /** How long an answer takes (ms). */
  roundTrip: number;
  /** The keys of each database that has any. */
  databases: Map<number, number> | undefined;
  /** How many bytes Redis queues for a client that hears messages, before it closes the connection; 0: any number. */
  pubsubBuffer: number | undefined;
  /** The other installations with gateways, by the beginning of their topics. */
  installations: string[] | undefined;
  /** How many plain PUBLISHes were heard in a second, by the beginning of the channel's name. */
  plain: Map<string, number>;
}

/** Reads the figures on connections of their own, and changes nothing. Takes a little over a second. */
export async function readFigures(target: RedisTarget, keys: Keys, names: PlainNames): Promise<Figures> {
  const [redis, hearing] = [openConnection(target, 'probe'), openConnection(target, 'probe')];
  try {
    await Promise.all([redis, hearing].map((one) => once(one, 'ready', { signal: AbortSignal.timeout(COMMAND) })));
    const plain = hear(hearing, names);
    const clock = await readClock(redis);
    const [info, keyspace, limits, topics, functions] = await Promise.all([
      ask(() => redis.info('server')),
      ask(() => redis.info('keyspace')),
      ask(() => redis.config('GET', 'client-output-buffer-limit') as Promise<string[]>),
      ask(() => redis.pubsub('CHANNELS', 'sisyphus{*') as Promise<string[]>),
      readFunctions(redis, keys),
    ]);
    return {
      server: serverOf(info),
      functions,
      ...clock,
      databases: keyspace === undefined ? undefined : databasesOf(keyspace),
      pubsubBuffer: bufferOf(limits?.[1]),
      installations: topics && installationsOf(topics, keys),
      plain: await plain,
    };
  } finally {
    await Promise.all([redis, hearing].map(closeConnection));
  }
}

async function readClock(redis: Redis): Promise<{ ahead: number; roundTrip: number }> {
  await redis.time();
  const [asked, began] = [Date.now(), performance.now()];
  const [seconds, microseconds] = await redis.time();
  const roundTrip = performance.now() - began;
  return { ahead: asked + roundTrip / 2 - (Number(seconds) * 1000 + Number(microseconds) / 1000), roundTrip };
}

async function readFunctions(redis: Redis, keys: Keys): Promise<number | undefined> {
  return ask(() => readVersion(redis, keys));
}

/** Counts plain PUBLISHes for a second. A pattern that is denied hears nothing. */
async function hear(redis: Redis, { patterns }: PlainNames): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  redis.on('pmessage', (_pattern: string, channel: string) => {
    const [word = channel] = channel.split(':');
    counts.set(word, (counts.get(word) ?? 0) + 1);
  });
  await Promise.all(patterns.map((pattern) => ask(() => redis.psubscribe(pattern))));
  await wait(LISTENING);
  return counts;
}

function serverOf(info: string | undefined): string {
  const [, valkey] = /^valkey_version:(\S+)/m.exec(info ?? '') ?? [];
  const [, version = 'of an unknown version'] = /^redis_version:(\S+)/m.exec(info ?? '') ?? [];
  return valkey === undefined ? `Redis ${version}` : `Valkey ${valkey}`;
}

function databasesOf(keyspace: string): Map<number, number> {
  const lines = keyspace.matchAll(/^db(\d+):keys=(\d+)/gm);
  return new Map([...lines].map(([, number, keys]) => [Number(number), Number(keys)]));
}

/** The hard limit in a text such as `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`. */
function bufferOf(limits: string | undefined): number | undefined {
  const [, hard] = /\bpubsub (\d+)/.exec(limits ?? '') ?? [];
  return hard === undefined ? undefined : Number(hard);
}

function installationsOf(topics: string[], { topicPrefix }: Keys): string[] {
  const found = topics.map((topic) => /^sisyphus\{[^}]*\}(?:@\d+)?\//.exec(topic)?.[0]);
  return [...new Set(found)].filter((prefix) => prefix !== undefined && prefix !== topicPrefix) as string[];
}
