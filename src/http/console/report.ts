import { add } from '../../counters.ts';
import { countsOf, statusOf } from '../../metrics/combine.ts';
import type { Gathered } from '../../metrics/report.ts';
import type { FleetReport } from './fleet-watch.ts';

/** How a gateway is at the moment, for the console, which finds out what happens in a second by comparing two of them. */
export function consoleReport(gathered: Gathered, fleet: FleetReport[]): object {
  const { streams, users, channels, subscriptions, redis, store, version, recorder, draining, warnings, reasons } =
    statusOf(gathered);
  const {
    received,
    delivered,
    latency,
    roundTrips,
    healed,
    resets,
    closed,
    refused,
    recorder: plain,
  } = countsOf(gathered);
  const states = gathered.reports.map(({ state }) => state);
  const open: Record<string, number> = {};
  for (const state of states) add(open, state.open);
  return {
    at: Date.now(),
    ...{ version, store, redis, draining, recorder, streams, users, channels, subscriptions, open },
    ready: states.every(({ ready }) => ready),
    problems: [...reasons, ...warnings],
    processes: states.length,
    received: received.messages,
    delivered: delivered.messages,
    recorded: plain.recorded,
    healed,
    resets,
    closed,
    refused,
    latency: { sum: latency.stream.sum, count: latency.stream.count },
    roundTrips: { sum: roundTrips.sum, count: roundTrips.count },
    loop: Math.max(...states.map(({ loop }) => loop?.utilization ?? 0)),
    memory: states.reduce((sum, { memory }) => sum + memory, 0),
    fleet,
  };
}
