import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Retention } from './backlog/backlog.ts';
import type { Config } from './config.ts';
import { Flusher } from './connection/flusher.ts';
import { Counters } from './counters.ts';
import { createApp } from './http/app.ts';
import type { SettingsStatus } from './http/context.ts';
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
import { retentionOf } from './store/settings.ts';
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
  /** Whether the settings that are one for all gateways are known, and none of them keeps this one from its promises. */
  isSettled(): boolean;
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
  const retention = retentionIn(config, redis);
  const store = redis ?? new MemoryStore({ retention, maxMessage: config.maxMessage });
  if (!redis) {
    logger.warn({ event: 'memory_store' }, 'no Redis: messages live in this process only, and are lost when it ends');
  }
  if (privateRedis) announcePrivateRedis(privateRedis, logger);

  const recordsPlain = (channel: string): boolean => redis?.recordsPlain(channel) ?? false;
  const { backlog, source } = store;
  const troubles = (): Trouble[] => store.troubles();
  const flusher = new Flusher();
  const counters = new Counters();
  const settled = (): Promise<void> => flusher.credit.settled();
  const hub = new Hub({
    source,
    backlog,
    recordsPlain,
    retention,
    settled,
    counters,
    logger: logger.child({ component: 'hub' }),
  });
  const sessions = new SessionRegistry({
    ...config,
    hub,
    backlog,
    counters,
    logger: logger.child({ component: 'session' }),
  });
  const hasSpoken = (): boolean => store.hasSpoken();
  const outage = new Outage({ hub, sessions, counters, troubles, hasSpoken, grace: config.redisGrace, logger });
  const recorder = redis?.plain && new Recorder(redis.plain, counters, logger.child({ component: 'recorder' }));
  hub.onFlushed = () => redis?.configure();
  // They come back with positions from the future, and are told.
  hub.onReversed = () => sessions.closeAll('redis');

  let draining = false;
  const server = createApp({
    config: withSharedSettings(config, redis),
    backlog,
    hub,
    sessions,
    recordsPlain,
    logger: logger.child({ component: 'http' }),
    flusher,
    counters,
    recorder: () => ({ role: recorder?.role ?? 'off', recording: recorder?.isRecording ?? false }),
    settings: () => settingsOf(config, redis),
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
  const isSettled = (): boolean => {
    const settings = settingsOf(config, redis);
    return settings === undefined || (settings.version > 0 && settings.problems.length === 0);
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
    isSettled,
    stopAccepting: () => stopAccepting(server),
    endIdle: () => endIdle(server),
  };
}

/** What is kept of a channel, as it counts for all gateways; that may change. */
function retentionIn({ backlog }: Config, redis: RedisStore | undefined): (channel: string) => Retention {
  let kept = backlog;
  let retention = retentionOf(kept);
  return (channel) => {
    const current = redis?.settings.current.backlog ?? backlog;
    if (current !== kept) {
      kept = current;
      retention = retentionOf(kept);
    }
    return retention(channel);
  };
}

/** The largest message is one for all gateways, and may change. */
function withSharedSettings(config: Config, redis: RedisStore | undefined): Config {
  return {
    ...config,
    get maxMessage(): number {
      return redis?.settings.current.maxMessage ?? config.maxMessage;
    },
  };
}

function settingsOf({ maxBuffer }: Config, redis: RedisStore | undefined): SettingsStatus | undefined {
  if (!redis) return undefined;
  const { version, differences, unrecorded, current } = redis.settings;
  const problems = [];
  if (unrecorded.length > 0) {
    problems.push(
      `plain channels ${unrecorded.join(' ')} are not recorded: expected SISYPHUS_RAW_CHANNELS to be the same for all gateways`,
    );
  }
  if (current.maxMessage > maxBuffer) {
    problems.push(
      `messages of up to ${current.maxMessage} bytes may be published: expected a SISYPHUS_MAX_BUFFER of as many, not ${maxBuffer}`,
    );
  }
  return { version, differences, problems };
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}
