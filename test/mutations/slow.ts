import type { Mutation } from './mutations.ts';

const QUEUE = { file: 'src/store/redis/rights-queue.ts', caughtBy: 'unit/rights-queue' };

const OUTAGE = { file: 'src/session/outage.ts', caughtBy: 'unit/outage' };
const HUB = { file: 'src/hub/followed-channels.ts', caughtBy: 'unit/hub', only: 'nobody reads any more' };

/** Mistakes that push over a Redis that is slow. */
export const SLOW_MUTATIONS: Mutation[] = [
  {
    name: 'all streams that come are opened at once',
    file: 'src/session/admission.ts',
    find: 'if (this.#waiting.length === 0 && this.#opening < this.#atATime)',
    replace: 'if (this.#waiting.length === 0)',
    caughtBy: 'unit/admission',
  },
  {
    name: 'a client waits as long as its stream has to',
    file: 'src/http/open-in-turn.ts',
    find: '  }, until - performance.now());',
    replace: '  }, 10 * OPENING);',
    caughtBy: 'unit/patience',
  },
  {
    name: 'a frame that says that Redis cannot be reached has no time to get to its client',
    file: 'src/patience.ts',
    find: 'OPENING = TOLD - 300',
    replace: 'OPENING = TOLD',
    caughtBy: 'unit/patience',
    only: 'so late',
  },
  {
    name: 'the size of lists does not matter',
    ...QUEUE,
    find: 'if (members > 0 && members + weight > this.#members) break;',
    replace: 'if (taken.length > 200) break;',
  },
  {
    name: 'lists are read for readers that have left',
    ...QUEUE,
    find: 'const isWanted = !signal?.aborted;',
    replace: 'const isWanted = true;',
  },
  {
    name: 'a stream whose list is not read in time ends',
    file: 'src/reading/persistently.ts',
    find: 'if (isOver() || !isExpected(error)) throw error;',
    replace: 'throw error;',
    caughtBy: 'unit/session',
    only: 'cannot be read',
  },
  {
    name: 'a connection that is slow is taken for a dead one',
    file: 'src/store/redis/connection.ts',
    find: 'if (bytesRead(redis) > read) continue;',
    replace: '',
    caughtBy: 'redis/connection',
  },
  {
    name: 'a connection that was made anew is taken for an answer',
    file: 'src/store/redis/progress.ts',
    find: 'before.stream === redis.stream && bytes > before.bytes',
    replace: 'bytes !== before.bytes',
    caughtBy: 'redis/connection',
  },
  {
    name: 'a Redis that answers others is away',
    ...OUTAGE,
    find: 'ofAll: isHeard ? 0 : ofAll + ran',
    replace: 'ofAll: ofAll + ran',
  },
  {
    name: 'a Redis that refuses every reader is slow',
    ...OUTAGE,
    find: " && !troubles.some(({ stops }) => stops === 'readers')",
    replace: '',
  },
  {
    name: 'streams that hear nothing stay for ever if Redis answers others',
    ...OUTAGE,
    find: ' || ofHub > Math.max(grace, DEAF)',
    replace: '',
  },
  {
    name: 'Redis is away while this process does not run',
    ...OUTAGE,
    find: 'Math.min(Math.max(now - (this.#checkedAt ?? now), 0), MOST_BETWEEN)',
    replace: 'now - (this.#checkedAt ?? now)',
  },
  {
    name: 'a channel that is read again while the hub heals is let go of',
    ...HUB,
    find: '.filter((channel) => !this.#subscriptions.has(channel))',
    replace: '',
  },
  {
    name: 'a channel that nobody reads is let go of while it is being subscribed',
    ...HUB,
    find: '    if (!this.#link.isOpen && !this.#link.isDown) return;\n    const idle',
    replace: '    const idle',
  },
];
