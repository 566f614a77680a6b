import { parseRedisUrl } from '../config/redis-url.ts';
import type { Transport } from '../connection/transport.ts';
import { increase, type Tally } from '../counters.ts';
import type { Report, State, Status } from '../metrics/report.ts';
import type { FleetReport } from './console/fleet-watch.ts';
import type { HttpContext } from './context.ts';
import { reasonsAgainst } from './readiness.ts';

/** All figures of this process. */
export async function reportOf(context: HttpContext, loop: State['loop']): Promise<Report> {
  const { counters, descriptors, sessions, config } = context;
  const open: Tally<Transport> = {};
  for (const transport of sessions.transports()) increase(open, transport);
  const { stopping } = await reasonsAgainst(context);
  const files = { open: await descriptors.open(), limit: descriptors.limit };
  const publishing = context.troubles().every(({ stops }) => stops === 'readers');
  const state = { ready: stopping.length === 0, publishing, open, maxStreams: config.maxStreams, loop, files };
  const memory = process.memoryUsage.rss();
  return { status: statusNow(context), state: { ...state, memory }, counts: counters.snapshot() };
}

function statusNow(context: HttpContext): Status {
  const { hub, sessions, config } = context;
  let channels = 0;
  let subscriptions = 0;
  for (const { readers } of hub.subscriptions()) {
    if (readers.size > 0) channels++;
    subscriptions += readers.size;
  }
  const settings = context.settings();
  return {
    version: context.version,
    store: context.store,
    namespace: config.namespace ?? null,
    database: config.redisUrl === undefined ? null : parseRedisUrl(config.redisUrl).database,
    redis: context.store === 'memory' ? 'none' : hub.isAnswered ? 'up' : 'down',
    reasons: context.troubles().map(({ reason }) => reason),
    draining: context.isStopping(),
    warnings: context.warnings(),
    streams: sessions.streams,
    users: sessions.users,
    channels,
    subscriptions,
    lingering: hub.channels - channels,
    recorder: context.recorder(),
    settings: settings && { version: settings.version, differences: settings.differences },
  };
}

/** What this process says of itself to the fleet. */
export function ownReport(context: HttpContext): Omit<FleetReport, 'gateway' | 'at'> {
  const { streams, users, channels, recorder, draining } = statusNow(context);
  const { received, delivered } = context.counters.snapshot();
  const messages = { received: received.messages, delivered: delivered.messages };
  return { streams, users, channels, role: recorder.role, draining, ...messages };
}
