import { post } from './requests.js';

/** How many messages go in one request, and in all. A backlog that is longer than that cannot be pushed out from a page. */
const BATCH = 1000;
const MOST = 5000;
/** How far the id "from the future" is ahead of the clock of Redis (µs): an hour. */
const AHEAD = 3_600_000_000;

/**
 * Makes the gateway announce a gap, by coming back with a position for which there is one. The reason in the `reset` is the true one.
 *
 * @param channel the channel whose backlog is pushed out, if the reason is to be `trimmed`
 * @throws Error with a sentence for people
 */
export async function forceReset(how, listening, { channel, backlogLength, clock }) {
  if (how === 'future') {
    listening.cut();
    listening.comeBack(0, String(Math.round(clock.time * 1000) + AHEAD));
    return;
  }
  if (how === 'unreadable') {
    listening.cut();
    listening.comeBack(0, 'no-position');
    return;
  }
  if (!channel) throw new Error('A channel is needed whose backlog is to be trimmed: the one in the form Publish.');
  if (listening.position === '') throw new Error('The stream has no position yet.');
  const count = backlogLength + 1;
  if (count > MOST) throw new Error(`The backlog has ${backlogLength} messages: too many to push out from a page.`);
  listening.cut();
  try {
    for (let left = count; left > 0; left -= BATCH) {
      const size = Math.min(left, BATCH);
      await post(
        'publish',
        Array.from({ length: size }, (_, i) => ({ channel, data: `pushed out ${left - i}` })),
      );
    }
  } finally {
    listening.comeBack(0);
  }
}
