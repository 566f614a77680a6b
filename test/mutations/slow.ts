import type { Mutation } from './mutations.ts';

const QUEUE = { file: 'src/store/redis/rights-queue.ts', caughtBy: 'unit/rights-queue' };

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
    file: 'src/session/membership.ts',
    find: 'if (this.#left || !isExpected(error)) throw error;',
    replace: 'throw error;',
    caughtBy: 'unit/session',
    only: 'cannot be read',
  },
];
