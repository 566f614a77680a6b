import type { Transport } from '../connection/transport.ts';
import type { Counts, Tally } from '../counters.ts';

/** What `/status` shows of one process, as plain JSON. */
export interface Status {
  version: string;
  store: 'redis' | 'memory';
  /** `SISYPHUS_NAMESPACE`; `null`: none. */
  namespace: string | null;
  /** The number of the database in Redis; `null`: no Redis is configured. */
  database: number | null;
  redis: 'none' | 'up' | 'down';
  reasons: string[];
  draining: boolean;
  warnings: string[];
  streams: number;
  users: number;
  channels: number;
  subscriptions: number;
  lingering: number;
  recorder: { role: Role; recording: boolean };
  settings: { version: number; differences: unknown[] } | undefined;
}

export const ROLES = ['off', 'unknown', 'spare', 'standby', 'leader'] as const;
export type Role = (typeof ROLES)[number];

/** How one process is at the moment, as far as `/status` does not show it. What is not known is left out. */
export interface State {
  ready: boolean;
  /** Whether the store takes what is published, as far as is known. */
  publishing: boolean;
  /** Open streams. */
  open: Tally<Transport>;
  maxStreams: number;
  /** What the event loop was like lately. */
  loop: { p50: number; p99: number; max: number; utilization: number } | undefined;
  files: { open: number | undefined; limit: number | undefined };
  /** Resident memory (bytes). */
  memory: number;
}

/** All figures of one process, as plain JSON: a worker sends it to the primary. */
export interface Report {
  status: Status;
  state: State;
  counts: Counts;
}

/** One of several workers, and whether it has answered in time. */
export interface WorkerAnswer {
  /** From 1; a worker that takes the place of another one has its number. */
  worker: number;
  pid: number | undefined;
  answered: boolean;
}

/** What one answer of `/status` or `/metrics` is about. */
export interface Gathered {
  reports: Report[];
  /** What workers have counted that have ended; `undefined` if there are no workers. */
  ended?: Counts | undefined;
  workers?: WorkerAnswer[] | undefined;
  /** How many workers have ended by themselves. */
  died?: number | undefined;
}
