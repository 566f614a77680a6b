import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Retention } from './backlog/backlog.ts';
import type { Config } from './config.ts';
import { Flusher } from './connection/flusher.ts';
import { compileGlob, firstMatch } from './glob.ts';
import { createApp } from './http/app.ts';
import type { RecorderStatus } from './http/context.ts';
import { endIdle, stopAccepting } from './http/keep-alive.ts';
import { Hub } from './hub/hub.ts';
import type { Trouble } from './hub/trouble.ts';
import type { Logger } from './logger.ts';
import { Recorder } from './recorder/recorder.ts';
import { Repeats } from './repeats.ts';
import { Outage } from './session/outage.ts';
import { SessionRegistry } from './session/session-registry.ts';
import { MemoryStore } from './store/memory/memory-store.ts';
import { announcePrivateRedis, type PrivateRedis, startPrivateRedis } from './store/private-redis.ts';
import { RedisStore } from './store/redis/redis-store.ts';
import type { Store } from './store/store.ts';

/** Everything the gateway consists of. */
export interface Context {
  store: Store;
  privateRedis: PrivateRedis | undefined;
  hub: Hub;
  sessions: SessionRegistry;
  outage: Outage;
  recorder: Recorder | undefined;
  server: Server;
  drain(): void;
  /** Settles when the last connection has ended. */
  stopAccepting(): Promise<void>;
  /** Ends the connections on which nothing is under way. */
  endIdle(): Promise<void>;
}

/** Builds the object graph; starts nothing but a private Redis, whose address the rest needs. */
export async function createContext(config: Config, logger: Logger, warnings: () => string[]): Promise<Context> {
  const privateRedis = config.redisUrl === undefined ? await startPrivateRedis() : undefined;
  const url = config.redisUrl ?? privateRedis?.url;
  const redis =
    url === undefined
      ? undefined
      : new RedisStore({
          ...config,
          url,
          isPrivate: privateRedis !== undefined,
          logger: logger.child({ component: 'redis' }),
        });
  const retention = retentionOf(config);
  const store = redis ?? new MemoryStore({ retention, maxMessage: config.maxMessage });
  if (!redis) {
    logger.warn({ event: 'memory_store' }, 'no Redis: messages live in this process only, and are lost when it ends');
  }
  if (privateRedis) announcePrivateRedis(privateRedis, logger);

  const recordsPlain = (channel: string): boolean => redis?.recordsPlain(channel) ?? false;
  const { backlog, source } = store;
  const troubles = (): Trouble[] => store.troubles();
  const flusher = new Flusher();
  const settled = (): Promise<void> => flusher.credit.settled();
  const hub = new Hub({
    source,
    backlog,
    recordsPlain,
    retention,
    settled,
    logger: logger.child({ component: 'hub' }),
  });
  const sessions = new SessionRegistry({ ...config, hub, backlog, logger: logger.child({ component: 'session' }) });
  const outage = new Outage({ hub, sessions, troubles, grace: config.redisGrace, logger });
  const recorder = redis?.plain && new Recorder(redis.plain, logger.child({ component: 'recorder' }));
  hub.onFlushed = () => redis?.configure();
  // They come back with positions from the future, and are told.
  hub.onReversed = () => sessions.closeAll('redis');

  let draining = false;
  const server = createApp({
    config,
    backlog,
    hub,
    sessions,
    recordsPlain,
    logger: logger.child({ component: 'http' }),
    flusher,
    recorder: () => statusOf(recorder),
    repeats: new Repeats(),
    troubles,
    isDraining: () => draining,
    warnings,
    version: readVersion(),
    store: store.kind,
  });
  const drain = (): void => {
    draining = true;
  };
  return {
    store,
    privateRedis,
    hub,
    sessions,
    outage,
    recorder,
    server,
    drain,
    stopAccepting: () => stopAccepting(server),
    endIdle: () => endIdle(server),
  };
}

/** What is kept of a channel: the first rule that fits, or what is kept of any. */
function retentionOf({ backlog }: Config): (channel: string) => Retention {
  const rules = backlog.rules.map(({ pattern, length }) => ({
    glob: compileGlob(pattern),
    retention: { length, ttl: backlog.ttl },
  }));
  return (channel) => firstMatch(rules, channel)?.retention ?? backlog;
}

function statusOf(recorder: Recorder | undefined): RecorderStatus {
  if (!recorder) return { role: 'off', recording: false, recorded: 0, unrecordable: 0, fenced: 0, changes: 0 };
  return { role: recorder.role, recording: recorder.isRecording, ...recorder.counters };
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}
