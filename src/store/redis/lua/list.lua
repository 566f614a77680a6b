-- A user's list of channels, which the application keeps at `user:<id>:channels`: a set, a list or a sorted set.

-- The same as difference_of for a Redis list, which ZDIFF does not read.
local function difference_of_list(list, known)
  local added, removed, on_list = {}, {}, {}
  for _, name in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if not on_list[name] then
      on_list[name] = true
      if not redis.call('ZSCORE', known, name) then
        added[#added + 1] = name
      end
    end
  end
  for _, name in ipairs(redis.call('ZRANGE', known, 0, -1)) do
    if not on_list[name] then
      removed[#removed + 1] = name
    end
  end
  return added, removed
end

-- Answers the names that are on the list and not in the sorted set `known`, those that are in `known` only, and what is wrong with the list.
local function difference_of(list, known)
  local added = redis.pcall('ZDIFF', 2, list, known)
  if not added.err then
    return added, redis.call('ZDIFF', 2, known, list)
  end
  if redis.call('TYPE', list).ok == 'list' then
    return difference_of_list(list, known)
  end
  return {}, redis.call('ZRANGE', known, 0, -1), 'is a ' .. redis.call('TYPE', list).ok
end

-- What is wrong with a list that has a name on it which is no channel's.
local function problem_with_name(name)
  return 'has names that are no channels, such as ' .. string.sub(name, 1, 60)
end

-- Puts the channel on the list, which is a `kind`; answers whether it was not on it.
local function add_to_list(kind, list, channel)
  if kind == 'list' then
    return not redis.call('LPOS', list, channel) and redis.call('RPUSH', list, channel) > 0
  elseif kind == 'zset' then
    return redis.call('ZADD', list, 'NX', 0, channel) > 0
  end
  return redis.call('SADD', list, channel) > 0
end

-- Takes the channel off the list, which is a `kind`; answers whether it was on it.
local function remove_from_list(kind, list, channel)
  if kind == 'list' then
    return redis.call('LREM', list, 0, channel) > 0
  elseif kind == 'zset' then
    return redis.call('ZREM', list, channel) > 0
  end
  return kind == 'set' and redis.call('SREM', list, channel) > 0
end
