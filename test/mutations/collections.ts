import type { Mutation } from './mutations.ts';

const LUA = 'src/store/redis/lua/';
const REDIS = 'contract/redis-store';

/** Mistakes with collections. */
export const COLLECTION_MUTATIONS: Mutation[] = [
  {
    name: 'a brace in a text ends a record',
    file: `${LUA}json-records.lua`,
    find: '      object = string.byte(text, from) == 123 and find_object(text, from)\n',
    replace: '',
    caughtBy: REDIS,
    only: 'as it was sent',
  },
  {
    name: 'what only cjson takes for JSON is put',
    file: `${LUA}json-records.lua`,
    find: ' and is_strict(text) and value or nil',
    replace: ' and value or nil',
    caughtBy: REDIS,
    only: 'NaN',
  },
  {
    name: 'a record that is only written otherwise counts as changed',
    file: `${LUA}json-records.lua`,
    find: '    return is_equal(cjson.decode(one), cjson.decode(other))\n',
    replace: '    return false\n',
    caughtBy: REDIS,
    only: 'however the list is written',
  },
  {
    name: 'a primary key may come twice in a batch',
    file: `${LUA}collection-changes.lua`,
    find: '      if seen[entry.key] then\n',
    replace: '      if false then\n',
    caughtBy: REDIS,
    only: 'a key twice',
  },
  {
    name: 'a member may be called __proto__',
    file: `${LUA}collections.lua`,
    find: "key == '__proto__' or record.__proto__ ~= nil",
    replace: 'false',
    caughtBy: REDIS,
    only: '__proto__',
  },
  {
    name: 'a change that is too large is published in the same epoch',
    file: `${LUA}collections.lua`,
    find: "    began = digits(id)\n    return write(began, '[]', '[]', '[]'), began\n",
    replace: "    return write(epoch, '[]', '[]', '[]'), began\n",
    caughtBy: REDIS,
    only: 'larger than a message',
  },
  {
    name: 'a record that is put again does not begin its time again',
    file: `${LUA}collection-changes.lua`,
    find: '      collections.write_ends(opened, change.kept, change.destroy)\n',
    replace: '',
    caughtBy: REDIS,
    only: 'keeps alive',
  },
  {
    name: 'a snapshot has another order than its records were created in',
    file: 'src/store/redis/redis-collections.ts',
    find: 'sort(([a], [b]) => a - b)',
    replace: 'sort(([a], [b]) => b - a)',
    caughtBy: REDIS,
    only: 'becomes the list',
  },
  {
    name: 'a server that takes over goes on with the epoch of the one before',
    file: `${LUA}life.lua`,
    find: "  redis.call('HSET', CLOCK, 'forked', digits(to))\n",
    replace: '',
    caughtBy: 'redis/collections',
  },
  {
    name: 'revisions that begin again are of the epoch before',
    file: `${LUA}collections.lua`,
    find: 'channel.revision < known.revision',
    replace: 'false',
    caughtBy: 'redis/collections',
  },
  {
    name: 'the revision of a collection is forgotten like that of a channel',
    file: `${LUA}collections.lua`,
    find: "    redis.call('SET', state.revision_key, revision)\n",
    replace: '',
    caughtBy: 'redis/collections',
  },
];
