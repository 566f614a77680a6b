import type { Trouble } from '../../hub/trouble.ts';
import { explain, isAccessRefusal, isReply, UnfitError } from './redis-error.ts';

/**
 * The kinds of calls to Redis, each of which it may refuse by itself: no reader can be served without `reading`; `marking` is the
 * form of it that also writes.
 */
export type Task = 'reading' | 'marking' | 'publishing' | 'recording' | 'configuration';

/** How long a connection may be lost before that is reported (ms). */
const PATIENCE = 500;
/**
 * How long after a refusal by the ACL, or after a probe, the refusal is not reported (ms): the probe finds out what is denied, and
 * a call is repeated a moment after it is allowed again.
 */
const EXPLAINED = 2000;

const UNREACHABLE = 'Redis cannot be reached';

interface Refusal {
  reason: string;
  detail: string;
  isAccess: boolean;
  /** Redis cannot be used for anything. */
  isUnfit: boolean;
  since: number;
}

/** The troubles of a gateway with its Redis: which calls are refused, and which connections cannot be made. */
export class Standing {
  readonly #onRefused: () => void;
  readonly #now: () => number;
  readonly #refusals = new Map<string, Refusal>();
  readonly #away = new Map<string, { since: number; detail: string }>();
  #findings: Trouble[] = [];
  #foundAt = Number.NEGATIVE_INFINITY;
  /** By connection: since when every write is refused (ms), because the server is a replica. */
  readonly #readOnlySince = new Map<string, number>();
  /** When a write was last accepted on the connection for commands (ms). */
  #writtenAt = Number.NEGATIVE_INFINITY;

  /** @param onRefused called if a call or a connection is refused that was not refused before */
  constructor(onRefused: () => void = () => undefined, now: () => number = () => performance.now()) {
    this.#onRefused = onRefused;
    this.#now = now;
  }

  /** Whether anything is refused, so that Redis has to be tried again. */
  get isRefused(): boolean {
    return this.#refusals.size > 0 || this.#findings.some(({ stops }) => stops !== 'all');
  }

  /** A connection could not be made, or has ended. */
  lost(connection: string, error: unknown): void {
    if (isReply(error)) {
      this.#away.delete(connection);
      this.#note(connection, error);
      return;
    }
    this.#refusals.delete(connection);
    const { since } = this.#away.get(connection) ?? { since: this.#now() };
    this.#away.set(connection, { since, detail: (error as Error).message });
  }

  made(connection: string): void {
    this.#readOnlySince.delete(connection);
    this.#away.delete(connection);
    this.#refusals.delete(connection);
  }

  /** Notes why this task failed, if Redis refused it. */
  failed(task: Task, error: unknown): void {
    if (isReply(error)) this.#note(task, error);
  }

  worked(task: Task): void {
    if (this.#refusals.size > 0) this.#refusals.delete(task);
  }

  /** A write was accepted on this connection. */
  wrote(connection: string): void {
    if (connection === 'commands') this.#writtenAt = this.#now();
    if (this.#readOnlySince.size > 0) this.#readOnlySince.delete(connection);
  }

  /** Notes that this connection leads to a replica. Answers whether the one for commands has found the master meanwhile. */
  isMasterElsewhere(connection: string): boolean {
    const since = this.#readOnlySince.get(connection) ?? this.#now();
    this.#readOnlySince.set(connection, since);
    return this.#writtenAt > since;
  }

  /** Takes the troubles that a probe has found. */
  found(troubles: Trouble[]): void {
    this.#findings = troubles;
    this.#foundAt = this.#now();
  }

  /** The present troubles, each reason once. */
  troubles(): Trouble[] {
    const now = this.#now();
    for (const [connection, { since, detail }] of this.#away) {
      if (connection === 'recorder' || now - since < PATIENCE) continue;
      // While Redis cannot be reached, it is not known what it would refuse.
      return [{ stops: 'all', reason: UNREACHABLE, detail }];
    }
    const troubles = [...this.#findings];
    const isExplained = this.#findings.length > 0;
    for (const [task, { reason, detail, isAccess, isUnfit, since }] of this.#refusals) {
      // Redis does not always name what it denies; the probe, which tries one command after the other, does.
      if (isAccess && (isExplained || now - Math.max(since, this.#foundAt) < EXPLAINED)) continue;
      troubles.push({ stops: isUnfit ? 'readers' : (STOPS[task] ?? 'publishing'), reason, detail });
    }
    troubles.sort((a, b) => Number(a.stops === 'publishing') - Number(b.stops === 'publishing'));
    return distinct(troubles);
  }

  #note(task: string, error: Error): void {
    const now = this.#now();
    const known = this.#refusals.get(task);
    const isAccess = isAccessRefusal(error);
    const isUnfit = error instanceof UnfitError;
    this.#refusals.set(task, { ...explain(error), isAccess, isUnfit, since: known?.since ?? now });
    if (!known) this.#onRefused();
  }
}

/** The troubles without those whose reason an earlier one has. */
export function distinct(troubles: Trouble[]): Trouble[] {
  return troubles.filter(({ reason }, i) => troubles.findIndex((other) => other.reason === reason) === i);
}

/** By task or connection: what its trouble stops. Connections are named as they are in Redis's `CLIENT LIST`. */
const STOPS: Record<string, Trouble['stops']> = { reading: 'readers', hub: 'readers', commands: 'readers' };
