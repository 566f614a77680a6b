import type { Redis } from 'ioredis';
import type { ReadRequest } from '../../backlog/backlog.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import { askTwice } from './ask-twice.ts';
import { readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import type { ReadingQueue } from './reading-queue.ts';

/** Channels that one call looks at. */
const CHANNELS = 500;
/** Bytes that a call counts as in the ReadingQueue: it answers no messages, but has to wait for its turn all the same. */
const CALL = 1024;

/** For each request with `last`: the position before the last so many messages of its channel. */
export async function findLast(
  { redis, keys, queue, signal }: { redis: Redis; keys: Keys; queue: ReadingQueue; signal: AbortSignal | undefined },
  requests: ReadRequest[],
): Promise<(Position | undefined)[]> {
  const found: (Position | undefined)[] = requests.map(() => undefined);
  let left = requests.flatMap(({ channel, upTo, last }, i) => (last ? [{ i, channel, from: upTo, last }] : []));
  while (left.length > 0) {
    const turn = await queue.enter(CALL, signal);
    const asked = left.slice(0, CHANNELS);
    const args = asked.flatMap(({ channel, from, last }) => [channel, from, last]);
    try {
      const answer = await askTwice(redis, () => readFunction(redis, keys, 'sisyphus_back', args));
      const words = String(answer).split(' ');
      for (const [at, one] of asked.entries()) {
        if (2 * at + 1 >= words.length) break;
        one.from = parsePosition(words[2 * at]!) ?? BEGINNING;
        one.last = Number(words[2 * at + 1]);
        found[one.i] = one.from;
      }
    } finally {
      turn.done();
    }
    left = left.filter(({ last }) => last > 0);
  }
  return found;
}
