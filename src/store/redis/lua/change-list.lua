-- The one step of a grant and of a revocation: the list is changed, and the user's channel is told.

-- `name`: `grant` or `revoke`. `apply`: changes the list, and answers whether it did.
local function change_list(args, name, apply)
  local user, channel = args[1], args[2]
  if not channel or #args > 3 then
    return bad_request(name, '<user> <channel> [<data>]')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7')
  end
  local data = args[3] or '<message><' .. name .. '><channel>' .. channel .. '</channel></' .. name .. '></message>'
  local clock = read_clock()
  local problem = problem_with_message(clock, channel, data, nil)
  if problem then
    return problem
  end
  local list = list_of(user)
  local kind = redis.call('TYPE', list).ok
  if kind ~= 'none' and kind ~= 'set' and kind ~= 'list' and kind ~= 'zset' then
    return redis.error_reply('WRONGTYPE ' .. list .. ' is a ' .. kind .. '; expected a set, a list or a sorted set')
  end
  require_permissions(list, { 'SADD', 'SREM', 'ZADD', 'ZREM', 'RPUSH', 'LREM', 'LPOS' })
  local state
  state, problem = read_channel(clock, 'user:' .. user)
  if not state then
    return problem
  end
  begin_if_due(clock)
  local id, revision = append(clock, state, data, {
    change = function()
      return apply(kind, list, channel) and { name == 'grant' and '+' or '-', channel }
    end,
  })
  save_clock(clock)
  return { id, revision }
end
