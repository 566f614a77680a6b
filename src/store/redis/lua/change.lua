-- The list of a user is the application's: a set, list or sorted set at `user:<id>:channels`.

local function change(args, name, apply)
  local user, channel = args[1], args[2]
  if not channel or #args > 3 then
    return bad_request(name, '<user> <channel> [<data>]')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER 1 to 128 of A-Z a-z 0-9 _ . @ + | - are right, such as 7')
  end
  local data = args[3] or '<message><' .. name .. '><channel>' .. channel .. '</channel></' .. name .. '></message>'
  local clock = look_at_clock()
  local problem = problem_with(clock, channel, data, nil)
  if problem then
    return problem
  end
  local list = list_of(user)
  local kind = redis.call('TYPE', list).ok
  if kind ~= 'none' and kind ~= 'set' and kind ~= 'list' and kind ~= 'zset' then
    return redis.error_reply('WRONGTYPE ' .. list .. ' is a ' .. kind .. '; a set, list or sorted set is right')
  end
  require_permissions(list, { 'SADD', 'SREM', 'ZADD', 'ZREM', 'RPUSH', 'LREM', 'LPOS' })
  local kept
  kept, problem = look_at(clock, 'user:' .. user)
  if not kept then
    return problem
  end
  begin(clock)
  local id, revision = append(clock, kept, data, {
    change = function()
      return apply(kind, list, channel) and { name == 'grant' and '+' or '-', channel }
    end,
  })
  save(clock)
  return { id, revision }
end

-- Both answer whether the list is another one now.
local function add(kind, list, channel)
  if kind == 'list' then
    return not redis.call('LPOS', list, channel) and redis.call('RPUSH', list, channel) > 0
  elseif kind == 'zset' then
    return redis.call('ZADD', list, 'NX', 0, channel) > 0
  end
  return redis.call('SADD', list, channel) > 0
end

local function remove(kind, list, channel)
  if kind == 'list' then
    return redis.call('LREM', list, 0, channel) > 0
  elseif kind == 'zset' then
    return redis.call('ZREM', list, channel) > 0
  end
  return kind == 'set' and redis.call('SREM', list, channel) > 0
end

-- FCALL sisyphus_grant 1 sisyphus:{0} <user> <channel> [<data>]  ->  [id, revision] of the message on `user:<user>`
define('grant', {}, function(args)
  return change(args, 'grant', add)
end)

-- FCALL sisyphus_revoke 1 sisyphus:{0} <user> <channel> [<data>]  ->  [id, revision] of the message on `user:<user>`
define('revoke', {}, function(args)
  return change(args, 'revoke', remove)
end)

-- FCALL sisyphus_change 1 sisyphus:{0} <idempotency key> <fingerprint> <ms to remember> <grant|revoke> <user> <channel> [<data>]
--   ->  [id, revision]: as the two above, once
define('change', {}, function(args)
  return once(args[1], args[2], args[3], function()
    local answer = change({ args[5], args[6], args[7] }, args[4], args[4] == 'grant' and add or remove)
    return answer.err and answer or { answer[1], tostring(answer[2]) }
  end)
end)
