import type { Redis } from 'ioredis';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { SETTLING } from '../../patience.ts';
import { batched } from './batch.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { refusesWrites, toSisyphusError } from './redis-error.ts';

/** Whether everything is recorded is asked again after this (ms): nobody may have listened. */
const AGAIN = 400;

/** Waits until the recorder has said that every plain PUBLISH made so far is recorded; many wait for one answer. */
export class Settling {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #waiting = new Set<{ id: Position; settle: () => void }>();
  /** Everything before this id is recorded, as the recorder has said on this connection. */
  #upTo = BEGINNING;
  readonly #together = batched(Number.POSITIVE_INFINITY, async (requests: undefined[]) => {
    await this.#settle();
    return requests;
  });

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async settle(): Promise<void> {
    await this.#together([undefined]);
  }

  /** The recorder has said so. */
  reached(upTo: Position): void {
    this.#upTo = upTo;
    for (const waiting of this.#waiting) {
      if (isAfter(waiting.id, upTo)) continue;
      this.#waiting.delete(waiting);
      waiting.settle();
    }
  }

  /** The connection is gone: nothing more is said on it. */
  end(): void {
    this.reached(Number.POSITIVE_INFINITY as Position);
    this.#upTo = BEGINNING;
  }

  async #settle(): Promise<void> {
    for (const until = performance.now() + SETTLING; performance.now() < until; ) {
      const id = await this.#ask();
      // The answer may be read together with what follows it.
      if (!isAfter(id, this.#upTo) || (await this.#isReached(id))) return;
    }
  }

  #isReached(id: Position): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const waiting = { id, settle };
      this.#waiting.add(waiting);
      const timer = setTimeout(() => this.#waiting.delete(waiting) && resolve(false), AGAIN).unref();
    });
  }

  /** If Redis takes no writes, nobody records, and nothing can be waited for. */
  async #ask(): Promise<Position> {
    try {
      const answer = await callFunction(this.#redis, this.#keys, 'sisyphus_settle', []);
      return parsePosition(answer as string) ?? BEGINNING;
    } catch (error) {
      if (!refusesWrites(error)) throw toSisyphusError(error);
      return BEGINNING;
    }
  }
}

/** The id up to which everything is recorded: `upto <id>`. */
export function settledIn(payload: Buffer): Position {
  return parsePosition(/^upto (\d+)$/.exec(payload.toString('latin1'))?.[1] ?? '') ?? BEGINNING;
}
