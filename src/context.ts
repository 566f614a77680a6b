import type { Server } from 'node:http';
import type { Retention } from './backlog/backlog.ts';
import { Expiry } from './collection/expiry.ts';
import type { Config } from './config/config.ts';
import { Flusher } from './connection/flusher.ts';
import { Counters } from './counters.ts';
import { createHttpServer } from './http/http-server.ts';
import { endIdle, stopAccepting } from './http/keep-alive.ts';
import { Hub } from './hub/hub.ts';
import type { Trouble } from './hub/trouble.ts';
import type { Logger } from './logger.ts';
import { createInboxWorker, type InboxWorker } from './poll/inbox-worker.ts';
import { Polls } from './poll/polls.ts';
import { PublishSecrets } from './publish-secrets.ts';
import { Recorder } from './recorder/recorder.ts';
import { Failures, Repeats } from './repeats.ts';
import { Outage } from './session/outage.ts';
import { SessionRegistry } from './session/session-registry.ts';
import { createStore } from './store/create-store.ts';
import type { Store } from './store/store.ts';
import { VERSION } from './version.ts';

export interface ContextOptions {
  config: Config;
  logger: Logger;
  /** The URL of a Redis that ends with the gateway, if `REDIS_URL` is not set. */
  privateUrl?: string | undefined;
  /** Whether a stop has begun: `/readyz` says no. */
  isStopping: () => boolean;
  /** Whether streams are sent elsewhere, and new ones are refused. */
  isDraining: () => boolean;
  /** Warnings about the surroundings of the gateway, for `/status`. */
  warnings: () => string[];
  /** The publish secrets in force, if they may change while the gateway runs. */
  secrets?: PublishSecrets;
}

/** All parts of the gateway. */
export interface Context {
  store: Store;
  hub: Hub;
  sessions: SessionRegistry;
  outage: Outage;
  recorder: Recorder | undefined;
  polls: Polls | undefined;
  /** Takes care of what browsers have sent. */
  letters: InboxWorker | undefined;
  expiry: Expiry;
  server: Server;
  /** Settles when the last connection has ended. */
  stopAccepting(): Promise<void>;
  /** Closes idle connections, after reading all bytes that have already arrived on them. */
  endIdle(): Promise<void>;
}

/** Builds all parts of the gateway and connects them; starts none of them. */
export function createContext(options: ContextOptions): Context {
  const { config, logger, privateUrl, isStopping, isDraining, warnings, secrets } = options;
  const store = createStore(config, privateUrl, logger);
  const { backlog, source } = store;
  const recordsPlain = (channel: string): boolean => store.recordsPlain(channel);
  const retention = (channel: string): Retention => store.retention(channel);
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
    onFlushed: () => store.configure(),
    // The ids of the store have gone back: readers reconnect with positions from the future, and get a reset (`future`).
    onReversed: () => sessions.closeAll('redis'),
    onHealed: () => void sessions.rereadAll(),
    onDisconnected: (disconnect) => void sessions.disconnect(disconnect),
    onSuspected: (user) => sessions.suspect(user),
    counters,
    logger: logger.child({ component: 'hub' }),
  });
  const sessions = new SessionRegistry({
    noopInterval: config.noopInterval,
    maxStreams: config.maxStreams,
    maxStreamsPerUser: config.maxStreamsPerUser,
    maxStreamsPerAddress: config.maxStreamsPerAddress.most,
    fleetLimit: store.fleetLimit,
    rebalances: config.rebalance === 'on',
    hub,
    backlog,
    counters,
    logger: logger.child({ component: 'session' }),
  });
  const hasSpoken = (): boolean => store.hasSpoken();
  const outage = new Outage({ hub, sessions, counters, troubles, hasSpoken, grace: config.redisGrace, logger });
  const recorder = store.plain && new Recorder(store.plain, counters, logger.child({ component: 'recorder' }));

  const polls = store.polls && new Polls(store.polls);
  const letters = store.inbox && createInboxWorker(store.inbox, config, logger.child({ component: 'inbox' }));
  const names = config.collections.filter(({ ttl }) => ttl !== undefined).map(({ name }) => name);
  const failures = new Failures(logger.child({ component: 'collections' }));
  const expiry = new Expiry({ collections: store.collections, names, failures });

  const server = createHttpServer({
    config,
    maxMessage: () => store.maxMessage,
    publisher: backlog,
    secrets: secrets ?? new PublishSecrets(config.publishSecret),
    collections: store.collections,
    tokens: store.tokens,
    polls,
    backlog,
    hub,
    sessions,
    recordsPlain,
    logger: logger.child({ component: 'http' }),
    flusher,
    counters,
    recorder: () => ({ role: recorder?.role ?? 'off', recording: recorder?.isRecording ?? false }),
    settings: () => store.settings,
    repeats: new Repeats(),
    troubles,
    isStopping,
    isDraining,
    warnings: () => [...warnings(), ...store.weaknesses()],
    version: VERSION,
    store: store.kind,
  });
  return {
    store,
    hub,
    sessions,
    outage,
    recorder,
    polls,
    letters,
    expiry,
    server,
    stopAccepting: () => stopAccepting(server),
    endIdle: () => endIdle(server),
  };
}
