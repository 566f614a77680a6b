import { setTimeout as wait } from 'node:timers/promises';
import { isExpected } from '../repeats.ts';

/** What an open stream is refused is asked again after such pauses (ms), which double. */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 1000;

/**
 * Asks again and again for a stream that is open, until there is an answer or the stream is over: if Redis is away or slow, its
 * reader sees nothing of it but that messages wait. Whether all streams end is for the grace to say.
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
