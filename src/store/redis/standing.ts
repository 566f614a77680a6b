import type { Trouble } from '../../hub/trouble.ts';
import { explain, isAccessRefusal, isReply, UnfitError } from './redis-error.ts';

/**
 * What is asked of Redis, each of which it may refuse by itself: `reading` is what no reader can do without, `marking` the
 * form of it that also writes.
 */
export type Task = 'reading' | 'marking' | 'publishing' | 'recording' | 'configuration';

/** A connection may be lost for a moment before anybody is told (ms). */
const PATIENCE = 500;
/** What the ACL denies is explained by trying, and is asked for again a moment after it is denied no longer (ms). */
const EXPLAINED = 2000;

const UNREACHABLE = 'Redis cannot be reached';

interface Refusal {
  reason: string;
  detail: string;
  isAccess: boolean;
  /** It cannot be used for anything. */
  isUnfit: boolean;
  since: number;
}

/** How a gateway stands with its Redis: what is refused, and which connections cannot be made. */
export class Standing {
  readonly #onRefused: () => void;
  readonly #now: () => number;
  readonly #refusals = new Map<string, Refusal>();
  readonly #away = new Map<string, { since: number; detail: string }>();
  #findings: Trouble[] = [];
  #foundAt = Number.NEGATIVE_INFINITY;
  /** By connection: since when each write is refused, because the server is a replica (ms). */
  readonly #readOnlySince = new Map<string, number>();
  /** When a write was last accepted on the connection for commands (ms). */
  #writtenAt = Number.NEGATIVE_INFINITY;

  /** @param onRefused called when something is refused that was not before */
  constructor(onRefused: () => void = () => undefined, now: () => number = Date.now) {
    this.#onRefused = onRefused;
    this.#now = now;
  }

  /** Whether anything is refused, and so is to be looked at again. */
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

  /** Takes note of why this failed, where it was Redis that refused it. */
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

  /** This connection leads to a replica. Answers whether the one for commands has found the master meanwhile. */
  isMasterElsewhere(connection: string): boolean {
    const since = this.#readOnlySince.get(connection) ?? this.#now();
    this.#readOnlySince.set(connection, since);
    return this.#writtenAt > since;
  }

  /** What was found by trying everything that a gateway needs. */
  found(troubles: Trouble[]): void {
    this.#findings = troubles;
    this.#foundAt = this.#now();
  }

  /** What is wrong now, each reason once. */
  troubles(): Trouble[] {
    const now = this.#now();
    for (const [connection, { since, detail }] of this.#away) {
      if (connection === 'recorder' || now - since < PATIENCE) continue;
      // What it refuses then, nobody knows.
      return [{ stops: 'all', reason: UNREACHABLE, detail }];
    }
    const troubles = [...this.#findings];
    const isExplained = this.#findings.length > 0;
    for (const [task, { reason, detail, isAccess, isUnfit, since }] of this.#refusals) {
      // Redis does not always say what it denies; trying one command after the other does.
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

/** Each reason once: where it is given first. */
export function distinct(troubles: Trouble[]): Trouble[] {
  return troubles.filter(({ reason }, i) => troubles.findIndex((other) => other.reason === reason) === i);
}

/** Connections are named as they are in Redis's `CLIENT LIST`. */
const STOPS: Record<string, Trouble['stops']> = { reading: 'readers', hub: 'readers', commands: 'readers' };
