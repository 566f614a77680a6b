import type { Mutation } from './mutations.ts';

const LUA = 'src/store/redis/lua/';
const TWINS = 'contract/redis-twins';
const BROKEN = 'contract/redis-broken-keys';
const DENIED = 'contract/redis-permissions';

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
  {
    name: 'a number is not looked at before it is counted on',
    file: `${LUA}channel.lua`,
    find: "  if id and kept.revision == 0 then\n    problem = problem_with_number(base .. ':msg_id', id)\n  elseif",
    replace: '  if false then\n    problem = nil\n  elseif',
    caughtBy: BROKEN,
  },
  {
    name: 'a batch finds a broken backlog when it has recorded the first of its messages',
    file: `${LUA}channel.lua`,
    find: 'if not problem and (careful or kept.user) then',
    replace: 'if not problem and kept.user then',
    caughtBy: BROKEN,
  },
  {
    name: "a user's backlog is found broken when the rights have been brought up to date",
    file: `${LUA}channel.lua`,
    find: 'if not problem and (careful or kept.user) then',
    replace: 'if not problem and careful then',
    caughtBy: BROKEN,
  },
  {
    name: 'a channel that has lost a key goes on as if it had not',
    file: `${LUA}channel.lua`,
    find: "  kept.lost = id or last or is == 'stream'\n",
    replace: '',
    caughtBy: BROKEN,
  },
  {
    name: 'a plain PUBLISH that cannot be recorded is lost in silence',
    file: `${LUA}record.lua`,
    find: '          local gap = write_channel_gap(clock, channel)',
    replace: "          local gap = ''",
    caughtBy: BROKEN,
  },
  {
    name: 'a channel has a gap for each message that cannot be recorded',
    file: `${LUA}channel-gaps.lua`,
    find: '    if name ~= channel then',
    replace: '    if true then',
    caughtBy: BROKEN,
    only: 'many channels',
  },
  {
    name: "a gap of one channel is everybody's",
    file: 'src/hub/channel-source.ts',
    find: 'return lost.length > 0 ? lost.includes(channel) : plain;',
    replace: 'return plain || lost.includes(channel);',
    caughtBy: 'integration/broken-keys',
  },
  {
    name: 'what cannot be recorded is logged each time',
    file: 'src/recorder/unrecordable.ts',
    find: '      this.#known.add(known);\n',
    replace: '',
    caughtBy: 'integration/broken-keys',
  },
  {
    name: 'a denied topic is found out when the message is recorded',
    file: `${LUA}channel.lua`,
    find: "may('INCRBY', last) and may('PUBLISH', kept.topic) and",
    replace: "may('INCRBY', last) and",
    caughtBy: DENIED,
  },
  {
    name: 'a denied list is found out when the rights are changed',
    file: `${LUA}change.lua`,
    find: "  require_permissions(list, { 'SADD', 'SREM', 'ZADD', 'ZREM', 'RPUSH', 'LREM', 'LPOS' })\n",
    replace: '',
    caughtBy: DENIED,
  },
  {
    name: 'what is known of the rights is changed before anybody asks',
    file: `${LUA}channel.lua`,
    find: '    require_rights(kept.user)\n',
    replace: '',
    caughtBy: DENIED,
  },
  {
    name: 'a key of the caller is remembered only if that happens to be allowed',
    file: `${LUA}once.lua`,
    find: "  require_permission('SET', remembered)\n",
    replace: '',
    caughtBy: DENIED,
  },
  {
    name: 'a new life begins with a message that is refused',
    file: `${LUA}publish.lua`,
    find: '  local clock = look_at_clock()\n  local problem = problem_with(clock, channel, data, event)',
    replace: '  local clock = read_clock()\n  local problem = problem_with(clock, channel, data, event)',
    caughtBy: DENIED,
  },
  {
    name: 'an error says nothing of what would be right',
    file: `${LUA}names.lua`,
    find: "    text = 'NOPERM ' .. string.gsub(text, '^%u+ ', '') .. '; ' .. what_is_needed()\n",
    replace: '',
    caughtBy: DENIED,
  },
];
