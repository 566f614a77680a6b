import { hostname } from 'node:os';
import type { FleetReports } from '../../backlog/fleet-reports.ts';
import type { Failures } from '../../repeats.ts';

/** A report is written this often (ms). */
const PERIOD = 2000;
/** A gateway whose report has not changed for so long (ms) is taken for dead. */
const LEASE = 7000;
/** When a gateway starts, it removes the reports that are older than this (ms): whoever wrote them was killed. */
const FORGOTTEN = 3_600_000;
/** What is longer (characters) is no report. */
const LONGEST = 2000;
/** So many others are shown. */
const MOST = 500;

/** What one process of a gateway says of itself. */
export interface FleetReport {
  /** Names the process, as in `/streams`. */
  gateway: string;
  /** The number of the report (ms since 1970, by the clock of its machine): each one has another. */
  at: number;
  streams: number;
  users: number;
  channels: number;
  /** The role of its recorder: the `leader` has the lease. */
  role: string;
  draining: boolean;
  /** Messages since its start, received and given to readers. */
  received: number;
  delivered: number;
}

export interface FleetWatchOptions {
  /** `undefined`: no other gateway can share the store. */
  reports: FleetReports | undefined;
  own: () => Omit<FleetReport, 'gateway' | 'at'>;
  failures: Failures;
  /** Milliseconds since 1970. */
  now?: () => number;
}

interface Seen {
  at: number;
  /** When it was seen to change, or first seen (ms). */
  since: number;
  hasChanged: boolean;
}

/** Reports this gateway to the fleet, and says which others report. Only gateways with a console do, because nobody else reads it. */
export class FleetWatch {
  readonly name = `${hostname()}/${process.pid}`;
  readonly #options: FleetWatchOptions;
  readonly #now: () => number;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FleetWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    if (this.#timer || !this.#options.reports) return;
    this.#timer = setInterval(() => void this.#report(), PERIOD).unref();
    void this.#report();
    void this.#clean();
  }

  /** May be called twice, and before `start`. */
  async stop(): Promise<void> {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    // If this fails, the report is taken for that of a dead gateway soon.
    await this.#options.reports?.remove([this.name]).catch(() => undefined);
  }

  /** All gateways that report, this one first and the others by their names. If the store does not answer, this one alone. */
  async look(): Promise<FleetReport[]> {
    const own = this.#own();
    const stored = await this.#options.reports?.read().catch(() => undefined);
    const others = [...(stored ?? [])].map(([name, text]) => parse(name, text)).filter((one) => one !== undefined);
    const living = others.filter((one) => one.gateway !== this.name && this.#isAlive(one));
    for (const name of this.#seen.keys()) if (!stored?.has(name)) this.#seen.delete(name);
    return [own, ...living.sort((a, b) => a.gateway.localeCompare(b.gateway)).slice(0, MOST)];
  }

  #own(): FleetReport {
    return { gateway: this.name, at: this.#now(), ...this.#options.own() };
  }

  /** Clocks of machines may differ: the age that a report claims counts only until it has been seen to change. */
  #isAlive({ gateway, at }: FleetReport): boolean {
    const now = this.#now();
    const seen = this.#seen.get(gateway);
    if (seen?.at !== at) this.#seen.set(gateway, { at, since: now, hasChanged: seen !== undefined });
    if (seen === undefined) return Math.abs(now - at) < LEASE;
    if (seen.at !== at) return true;
    return now - seen.since < LEASE && (seen.hasChanged || Math.abs(now - at) < LEASE);
  }

  async #report(): Promise<void> {
    const { reports, failures } = this.#options;
    try {
      await reports?.write(this.name, JSON.stringify(this.#own()));
    } catch (error) {
      failures.log('fleet_report_failed', error);
    }
  }

  /** Removes what gateways have left behind that were killed. */
  async #clean(): Promise<void> {
    const { reports, failures } = this.#options;
    try {
      const old = this.#now() - FORGOTTEN;
      const stored = [...((await reports?.read()) ?? [])];
      await reports?.remove(stored.filter(([name, text]) => (parse(name, text)?.at ?? 0) < old).map(([name]) => name));
    } catch (error) {
      failures.log('fleet_report_failed', error);
    }
  }
}

/** @returns `undefined` if no gateway has written it. Only the known members are taken: whoever may write to Redis could write anything there. */
function parse(name: string, text: string): FleetReport | undefined {
  if (text.length > LONGEST) return undefined;
  try {
    const { gateway, role, draining, at, streams, users, channels, received, delivered } = JSON.parse(text);
    const numbers = { at, streams, users, channels, received, delivered };
    if (gateway !== name || typeof role !== 'string' || !Object.values(numbers).every(Number.isFinite))
      return undefined;
    return { gateway: name, ...numbers, role, draining: draining === true };
  } catch {
    // Somebody else has written there.
    return undefined;
  }
}
