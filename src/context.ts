import type { Server } from 'node:http';
import type { Retention } from './backlog/backlog.ts';
import { Expiry } from './collection/expiry.ts';
import type { Config } from './config/config.ts';
import { Flusher } from './connection/flusher.ts';
import type { Timed } from './connection/transport.ts';
import { WriteTimer } from './connection/write-timer.ts';
import { Counters } from './counters.ts';
import { FleetWatch } from './http/console/fleet-watch.ts';
import type { HttpContext } from './http/context.ts';
import { Descriptors } from './http/descriptors.ts';
import { createHttpServers } from './http/http-server.ts';
import { endIdle, stopAccepting } from './http/keep-alive.ts';
import { ownReport, reportOf } from './http/report.ts';
import { Hub } from './hub/hub.ts';
import type { Trouble } from './hub/trouble.ts';
import type { Limits } from './limits/limits.ts';
import { LocalLimits } from './limits/local-limits.ts';
import type { Logger } from './logger.ts';
import type { Position } from './message/position.ts';
import { EventLoop } from './metrics/event-loop.ts';
import type { Gathered, Report } from './metrics/report.ts';
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
  /** Answers the reports of all workers; `undefined`: this process is alone. */
  gather?: (() => Promise<Gathered>) | undefined;
  /** The name of the gateway that this process is one of several workers of. */
  gateway?: string | undefined;
  /** Counts over all workers; by default in this process alone. */
  limits?: Limits;
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
  loop: EventLoop;
  /** `undefined` if the console is off. */
  fleet: FleetWatch | undefined;
  /** Answers all figures of this process. */
  report(): Promise<Report>;
  server: Server;
  /** `undefined` if publishers and operators have no port of their own. */
  admin: Server | undefined;
  /** Settles when the last connection has ended. */
  stopAccepting(server: Server): Promise<void>;
  /** Closes idle connections, after reading all bytes that have already arrived on them. */
  endIdle(server: Server): Promise<void>;
}

/** Builds all parts of the gateway and connects them; starts none of them. */
export function createContext(options: ContextOptions): Context {
  const { config, logger, privateUrl, isStopping, isDraining, warnings, secrets, gather } = options;
  const { limits = new LocalLimits() } = options;
  const counters = new Counters();
  const store = createStore(config, privateUrl, logger, (took) => counters.storeAnswered(took), options.gateway);
  const { backlog, source } = store;
  const recordsPlain = (channel: string): boolean => store.recordsPlain(channel);
  const retention = (channel: string): Retention => store.retention(channel);
  const troubles = (): Trouble[] => store.troubles();
  const timed = (transport: Timed) => (ids: readonly Position[]) => timeWritten(ids, transport, store, counters);
  const flusher = new Flusher(undefined, timed('stream'));
  const writes = {
    poll: new WriteTimer(timed('poll')),
    rt: new WriteTimer(timed('rt')),
    'sock.it': new WriteTimer(timed('sock.it')),
  };
  const settled = (): Promise<void> => flusher.credit.settled();
  const hub = new Hub({
    source,
    backlog,
    recordsPlain,
    retention,
    settled,
    onDelivered: ({ message: { id }, crowd }) => {
      flusher.announce(id, crowd);
      writes.poll.announce(id);
      writes.rt.announce(id);
      writes['sock.it'].announce(id);
    },
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
    limits,
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

  const loop = new EventLoop();
  const own = (): ReturnType<typeof ownReport> => ownReport(http);
  const watching = new Failures(logger.child({ component: 'console' }));
  const fleet =
    config.console === 'off' ? undefined : new FleetWatch({ reports: store.reports, own, failures: watching });
  const report = (): Promise<Report> => reportOf(http, loop.figures);
  const http: HttpContext = {
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
    sharedLimits: limits,
    recordsPlain,
    logger: logger.child({ component: 'http' }),
    flusher,
    writes,
    counters,
    descriptors: new Descriptors(),
    fleet,
    direct: store.direct,
    gather: async () => gather?.() ?? { reports: [await report()] },
    recorder: () => ({ role: recorder?.role ?? 'off', recording: recorder?.isRecording ?? false }),
    settings: () => store.settings,
    repeats: new Repeats(),
    troubles,
    isStopping,
    isDraining,
    warnings: () => [...warnings(), ...store.weaknesses()],
    version: VERSION,
    store: store.kind,
  };
  const { server, admin } = createHttpServers(http);
  return {
    store,
    hub,
    sessions,
    outage,
    recorder,
    polls,
    letters,
    expiry,
    loop,
    fleet,
    report,
    server,
    admin,
    stopAccepting,
    endIdle,
  };
}

/** Counts how long after their ids these messages were written. */
function timeWritten(ids: readonly Position[], transport: Timed, store: Store, counters: Counters): void {
  const now = performance.now();
  for (const id of ids) {
    const published = store.localTime(id);
    // An id may be ahead of the clock, if the store's clock was set back.
    if (published !== undefined) counters.messageWritten(transport, Math.max(0, now - published) / 1000);
  }
}
