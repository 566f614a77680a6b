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

/** What the primary sends to a worker. */
export type ToWorker =
  /** `isReplaced`: others serve on, so nothing has to notice first that this worker goes. */
  | { kind: 'stop'; isReplaced: boolean }
  | { kind: 'secrets'; text: string }
  | { kind: 'certificates'; tls: RedisTls }
  | { kind: 'report'; number: number }
  | { kind: 'gathered'; number: number; gathered: Gathered }
  | { kind: 'limits'; messages: ToWorkerOfLimits[] };

/** What a worker sends to the primary. */
export type FromWorker =
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
