import { setTimeout as wait } from 'node:timers/promises';
import { isExpected } from '../repeats.ts';

/** The pause before a failed request of an open stream is repeated (ms): it doubles from the first to the last. */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 1000;

/**
 * Repeats a request of an open stream until it is answered or the stream is over: if Redis is away or slow, the client notices nothing but
 * a delay. The grace (`SISYPHUS_REDIS_GRACE`) decides when all streams end.
 */
export async function persistently<Answer>(ask: () => Promise<Answer>, isOver: () => boolean): Promise<Answer> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LAST_PAUSE)) {
    try {
      return await ask();
    } catch (error) {
      if (isOver() || !isExpected(error)) throw error;
      await wait(pause * (0.5 + Math.random()));
      if (isOver()) throw error;
    }
  }
}
