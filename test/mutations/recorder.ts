import type { Mutation } from './mutations.ts';

const RECORDER = 'src/recorder/recorder.ts';
const LEASE = { caughtBy: 'contract/redis-store', only: 'the lease of the recorder' };

/** Mistakes in the recorder that cost a message only where two faults meet, so that no scenario finds them for certain. */
export const RECORDER_MUTATIONS: Mutation[] = [
  {
    name: 'the lease is given back by an owner that has not recorded all it heard',
    file: RECORDER,
    find: "wait(RETIRE, undefined, { ref: false })]);\n    const wanted = this.#state === 'leading' && period.queue.length === 0 ? 'release' : 'leave';",
    replace: "wait(1000, undefined, { ref: false })]);\n    const wanted = 'release';",
    caughtBy: 'unit/recorder',
    only: 'while it owes',
  },
  {
    name: 'a gateway that left the hearing to others takes the lease as if nobody had run',
    file: RECORDER,
    find: "      if (role === 'spare') {\n        this.#again = true;",
    replace: "      if (role === 'spare') {",
    caughtBy: 'unit/recorder',
    only: 'not needed',
  },
  {
    name: 'any anchor will do for who was elected',
    file: RECORDER,
    find: '    if (name !== this.#period.name) return;\n',
    replace: '',
    caughtBy: 'unit/recorder',
    only: 'its own anchor',
  },
  {
    name: 'a full queue begins anew with every message',
    file: RECORDER,
    find: 'period.queue.length !== MAX_QUEUE + 1',
    replace: 'period.queue.length <= MAX_QUEUE',
    caughtBy: 'unit/recorder',
    only: 'more is unconfirmed',
  },
  {
    name: 'a place is forgotten that is behind the one recorded',
    file: 'src/recorder/period.ts',
    find: 'one.number > number)',
    replace: 'one.number > number + 1)',
    caughtBy: 'unit/period',
  },
  {
    name: 'who has not heard all takes the lease before one that may have',
    file: 'src/store/redis/lua/lease.lua',
    find: "if not covered and redis.call('ZCARD', STANDBYS) > 0 then",
    replace: 'if false then',
    ...LEASE,
  },
  {
    name: 'a lease that ran out counts as given back',
    file: 'src/store/redis/lua/lease.lua',
    find: '(recorder.expires > 0 or recorder.returns or again)',
    replace: '(recorder.returns or again)',
    ...LEASE,
  },
  {
    name: 'what was given back is never a gap',
    file: 'src/store/redis/lua/lease.lua',
    find: '(recorder.expires > 0 or recorder.returns or again)',
    replace: 'recorder.expires > 0',
    ...LEASE,
  },
  {
    name: 'an owner that only lost its connection counts as one that was stopped',
    file: 'src/store/redis/lua/lease.lua',
    find: '(recorder.expires > 0 or recorder.returns or again)',
    replace: '(recorder.expires > 0 or again)',
    ...LEASE,
  },
  {
    name: 'who leaves without knowing that it has the lease gives it back',
    file: 'src/store/redis/lua/lease.lua',
    find: "if mine and wanted == 'release' then",
    replace: 'if mine then',
    ...LEASE,
  },
  {
    name: 'a former owner goes on recording',
    file: 'src/store/redis/lua/record.lua',
    find: 'if recorder.owner ~= args[1] then',
    replace: 'if false then',
    ...LEASE,
  },
  {
    name: 'an owner takes its own place back',
    file: 'src/store/redis/lua/lease.lua',
    find: 'if mine and id > 0 and not comes_after(recorder.id, recorder.number, id, number) then',
    replace: 'if mine and id > 0 then',
    ...LEASE,
  },
  {
    name: 'who stood by in an earlier life of the server still does',
    file: 'src/store/redis/lua/clock.lua',
    find: "    redis.call('DEL', STANDBYS)\n",
    replace: '',
    ...LEASE,
  },
  {
    name: 'counts of two lives of the server are compared',
    file: 'src/store/redis/lua/recorder.lua',
    find: 'if expires <= 0 and string.sub(count',
    replace: 'if string.sub(count',
    ...LEASE,
  },
  {
    name: 'what scripts publish is counted as plain',
    file: 'src/store/redis/lua/clock.lua',
    find: '  clock.said = clock.said + 1\n',
    replace: '',
    ...LEASE,
  },
];
