import type { Redis } from 'ioredis';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { SETTLING } from '../../patience.ts';
import { batched } from './batch.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { refusesWrites, toSisyphusError } from './redis-error.ts';

/** If the recorder does not answer within this time (ms), it is asked again: no recorder may have received the request. */
const AGAIN = 400;

/** Waits until the recorder has published that every plain PUBLISH made so far is recorded; many callers share one answer. */
export class Settling {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #waiting = new Set<{ id: Position; settle: () => void }>();
  /** Everything before this id is recorded, as the recorder has published on this connection. */
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

  /** The recorder has published that everything before `upTo` is recorded. */
  reached(upTo: Position): void {
    this.#upTo = upTo;
    for (const waiting of this.#waiting) {
      if (isAfter(waiting.id, upTo)) continue;
      this.#waiting.delete(waiting);
      waiting.settle();
    }
  }

  /** The connection is gone: all calls settle, because nothing more is received on it. */
  end(): void {
    this.reached(Number.POSITIVE_INFINITY as Position);
    this.#upTo = BEGINNING;
  }

  async #settle(): Promise<void> {
    for (const until = performance.now() + SETTLING; performance.now() < until; ) {
      const id = await this.#ask();
      // The recorder's message may have been read together with this answer.
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

  /** The id to wait for; `BEGINNING` if Redis takes no writes: then nothing is recorded, and there is nothing to wait for. */
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
