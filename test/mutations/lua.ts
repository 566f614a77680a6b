import type { Mutation } from './mutations.ts';

const LUA = 'src/store/redis/lua/';
const TWINS = 'contract/redis-twins';

/** Mistakes in the functions in Redis, and in what the gateway makes of their answers. */
export const LUA_MUTATIONS: Mutation[] = [
  {
    name: 'a set that excludes bytes is read as one that has them',
    file: `${LUA}glob.lua`,
    find: '    others[byte] = not set[byte]',
    replace: '    others[byte] = set[byte]',
    caughtBy: TWINS,
  },
  {
    name: 'a user id may not have a bar in Redis',
    file: `${LUA}names.lua`,
    find: "'[^%w_.@+|-]'",
    replace: "'[^%w_.@+-]'",
    caughtBy: TWINS,
  },
  {
    name: 'a set that is never closed is taken for a rule',
    file: 'src/config-values.ts',
    find: 'PATTERN.test(text) && hasOpenSet(text)',
    replace: "PATTERN.test(text) && text === '['",
    caughtBy: 'unit/config',
  },
];
