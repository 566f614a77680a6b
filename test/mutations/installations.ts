import type { Mutation } from './mutations.ts';

/** Mistakes in where an installation is: its Redis, its database, its namespace, the names that a driver prefixes. */
export const INSTALLATION_MUTATIONS: Mutation[] = [
  {
    name: 'what is unknown in the address of the Redis is ignored',
    file: 'src/redis-url.ts',
    find: '    if (!PARAMETERS.includes(name)) {',
    replace: "    if (name === '') {",
    caughtBy: 'unit/redis-url',
  },
  {
    name: 'a database that is no number is taken for 0',
    file: 'src/redis-url.ts',
    find: '  if (DATABASE.test(text)) return Number(text);',
    replace: '  return DATABASE.test(text) ? Number(text) : 0;',
    caughtBy: 'unit/redis-url',
  },
  {
    name: 'a database that does not exist becomes database 0',
    file: 'src/store/redis/connection.ts',
    find: '    if (isSelect(error)) refuseDatabase(redis, error);\n',
    replace: '',
    caughtBy: 'unit/redis-address',
  },
];
