import type { RedisTls } from '../config/redis-certificates.ts';
import type { Counts } from '../counters.ts';
import type { ToPrimary, ToWorkerOfLimits } from '../limits/messages.ts';
import type { Gathered, Report } from '../metrics/report.ts';

/**
 * The variable by which a primary says that it counts for its workers. A worker may be newer than its primary, if other code was installed
 * meanwhile: without this it would ask in vain, and counts by itself.
 */
export const COUNTS_LIMITS = 'PRIMARY_COUNTS_LIMITS';

/**
 * The variable with the name by which a primary is known as one gateway, however many workers it has. A worker of an older primary finds
 * none, and counts as a gateway of its own.
 */
export const GATEWAY = 'PRIMARY_GATEWAY';

/** The variable by which a primary says that it sends `begin`. Without this a newer worker would wait in vain, and begins by itself. */
export const SAYS_BEGIN = 'PRIMARY_SAYS_BEGIN';

/** What the primary sends to a worker. */
export type ToWorker =
  /** The answer to the worker's first message, after all that was kept for it: from here on it may start, unless it was told to stop. */
  | { kind: 'begin' }
  /** `isReplaced`: others serve on, so nothing has to notice first that this worker goes. */
  | { kind: 'stop'; isReplaced: boolean }
  | { kind: 'secrets'; text: string }
  | { kind: 'certificates'; tls: RedisTls }
  | { kind: 'report'; number: number }
  | { kind: 'gathered'; number: number; gathered: Gathered }
  | { kind: 'limits'; messages: ToWorkerOfLimits[] };

/** What is kept for a worker that does not hear yet: only what the last one of each kind says counts. All others are answers. */
export type Kept = Extract<ToWorker, { kind: 'stop' | 'secrets' | 'certificates' }>;

/** What a worker sends to the primary. */
export type FromWorker =
  /** The worker hears its primary. It comes before all others; a worker of an older version does not say it, but the others mean it, too. */
  | { kind: 'hears' }
  /** The worker listens, and streams may come. */
  | { kind: 'ready' }
  | { kind: 'gather'; number: number }
  | { kind: 'limits'; messages: ToPrimary[] }
  | { kind: 'reported'; number: number; report: Report }
  /** The last counts of a worker that ends. */
  | { kind: 'last'; counts: Counts };

/** Whether a message on the channel between primary and worker is one of these, and not one of another library. */
export function isMessage(message: unknown): message is { kind: string } {
  return typeof message === 'object' && message !== null && 'kind' in message && typeof message.kind === 'string';
}
