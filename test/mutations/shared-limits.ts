import type { Mutation } from './mutations.ts';

const SHARED = 'unit/shared-limits';
const INTERLEAVINGS = 'any order of messages';

/** Mistakes in the limits that hold over all workers. */
export const SHARED_LIMIT_MUTATIONS: Mutation[] = [
  {
    name: 'a worker that has not said how many it has is taken to have none',
    file: 'src/limits/primary-count.ts',
    find: '    const most = this.#shares.get(worker)!;\n',
    replace: '    const most = 0;\n',
    caughtBy: SHARED,
    only: INTERLEAVINGS,
  },
  {
    name: 'what was granted while a worker counted is forgotten',
    file: 'src/limits/primary-count.ts',
    find: '{ most: used + held.granted, isUnsure: false }',
    replace: '{ most: used, isUnsure: false }',
    caughtBy: SHARED,
    only: INTERLEAVINGS,
  },
  {
    name: 'an end is counted twice: by itself, and in how many the worker says it has',
    file: 'src/limits/primary-count.ts',
    find: ' || !held || held.isUnsure) return;',
    replace: ' || !held) return;',
    caughtBy: SHARED,
    only: INTERLEAVINGS,
  },
  {
    name: 'a key is shared again while a worker has more than its share',
    file: 'src/limits/primary-count.ts',
    find: 'held.most <= Math.floor(this.#shares.get(worker)! / 2)',
    replace: 'held.most >= 0',
    caughtBy: SHARED,
    only: INTERLEAVINGS,
  },
  {
    name: 'there is a share for each worker, however many there are',
    file: 'src/limits/primary-count.ts',
    find: ' || given >= parts) return;',
    replace: ') return;',
    caughtBy: SHARED,
    only: 'no more shares',
  },
  {
    name: 'a worker that was refused never hears that there is room',
    file: 'src/limits/primary-count.ts',
    find: '    if (entry.total < most) this.#tellOfRoom(entry);\n',
    replace: '',
    caughtBy: SHARED,
    only: INTERLEAVINGS,
  },
  {
    name: 'the streams of a worker that died count on',
    file: 'src/limits/primary-count.ts',
    find: '      entry.total -= entry.of.get(worker)?.most ?? 0;\n',
    replace: '',
    caughtBy: SHARED,
    only: 'that died',
  },
  {
    name: 'the primary does not notice that a worker has died',
    file: 'src/cli/workers.ts',
    find: '    this.#limits.ended(worker);\n',
    replace: '',
    caughtBy: 'integration/shared-limits',
    only: 'dies',
  },
  {
    name: 'each worker counts for itself',
    file: 'src/cli/worker.ts',
    find: '...(limits && { limits })',
    replace: '...(limits && {})',
    caughtBy: 'integration/shared-limits',
    only: 'of all workers together',
  },
  {
    name: 'a rate gives each worker the whole period',
    file: 'src/limits/primary-rate.ts',
    find: '    period.left -= granted;\n',
    replace: '',
    caughtBy: SHARED,
    only: 'all but an eighth',
  },
  {
    name: 'a stream keeps its permit if its user has too many',
    file: 'src/http/entrance.ts',
    find: '    permit.release();\n',
    replace: '',
    caughtBy: 'unit/stream-route',
    only: 'leaves its place',
  },
  {
    name: 'a stream that the gateway has no room for counts for its address',
    file: 'src/session/permits.ts',
    find: '    if (address !== undefined) this.#perAddress.release(address);\n    return',
    replace: '    return',
    caughtBy: 'unit/permits',
  },
];
