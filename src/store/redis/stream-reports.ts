import { randomUUID } from 'node:crypto';
import type { Fleet } from '../../backlog/fleet-limit.ts';

/** `<gateway>.<process>`: each process reports for itself, and the gateway tells whose streams are one in the reckoning. */
export function newReporter(gateway: string = randomUUID()): string {
  return `${gateway}.${randomUUID()}`;
}

/**
 * Adds up the reports, by gateway, as seen by the process with this name.
 *
 * @param reports by process, as lua/functions/streams.lua stores them: `n` and a number. A process of the version before has no dot in its name.
 */
export function fleetOf(reports: Record<string, string>, name: string): Fleet {
  const counts = new Map<string, number>();
  for (const [other, report] of Object.entries(reports)) {
    const [, streams] = /^n(\d+)$/.exec(report) ?? [];
    const gateway = gatewayOf(other);
    if (streams !== undefined) counts.set(gateway, (counts.get(gateway) ?? 0) + Number(streams));
  }
  const all = [...counts.values()];
  const streams = all.reduce((sum, count) => sum + count, 0);
  return { gateways: all.length, streams, least: Math.min(...all), own: counts.get(gatewayOf(name)) ?? 0 };
}

function gatewayOf(name: string): string {
  return name.split('.', 1)[0]!;
}
