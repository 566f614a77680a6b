-- Redis asks whether the caller may run a command when the command is run, and does not undo what came before it. So a function
-- asks for all that it will change before it changes the first: 0.15 us each.

-- For a command with its key, or topic, and whatever else tells which keys it has.
local function require_permission(command, name, ...)
  if not redis.acl_check_cmd(command, name, ...) then
    error(redis.error_reply('NOPERM the user may not ' .. command .. ' ' .. name .. '; ' .. what_is_needed()))
  end
end

local function require_permissions(name, commands)
  for i = 1, #commands do
    require_permission(commands[i], name)
  end
end

local ON_LIST = { 'TYPE', 'LRANGE' }
local ON_KNOWN = { 'ZCARD', 'ZRANGE', 'ZSCORE', 'ZADD', 'ZREM', 'PEXPIRE', 'TYPE', 'DEL' }
local ON_CHANGES = { 'ZMSCORE', 'ZRANGEBYSCORE', 'ZREMRANGEBYSCORE', 'ZREMRANGEBYRANK', 'ZADD', 'ZREM', 'PEXPIRE', 'TYPE', 'DEL' }

-- What rights.lua does with a user's list and with what is known of it. A denied ZDIFF would look like a list that is none.
local function require_rights(user)
  local base = PREFIX .. 'user:' .. user
  local list, known = list_of(user), base .. ':rights'
  require_permissions(list, ON_LIST)
  require_permissions(known, ON_KNOWN)
  require_permissions(base .. ':changes', ON_CHANGES)
  require_permission('ZDIFF', 2, list, known)
end
