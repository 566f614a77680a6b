import { setTimeout as wait } from 'node:timers/promises';
import { isExpected } from '../repeats.ts';

/** The pause before a failed request of an open stream is repeated (ms): it doubles from the first to the last. */
export interface Pauses {
  first: number;
  last: number;
}

const PAUSES: Pauses = { first: 100, last: 1000 };

/**
 * Repeats a request of an open stream until it is answered or the stream is over: if Redis is away or slow, the client notices nothing but
 * a delay. The grace (`SISYPHUS_REDIS_GRACE`) decides when all streams end.
 */
export async function persistently<Answer>(
  ask: () => Promise<Answer>,
  isOver: () => boolean,
  { first, last } = PAUSES,
): Promise<Answer> {
  for (let pause = first; ; pause = Math.min(2 * pause, last)) {
    try {
      return await ask();
    } catch (error) {
      if (isOver() || !isExpected(error)) throw error;
      await wait(pause * (0.5 + Math.random()));
      if (isOver()) throw error;
    }
  }
}
