-- What is kept of one channel: its revision (`…:msg_id`), the id of its last message (`…:msg_last`) and its backlog. Everything
-- is looked at here before the first key is changed: Redis does not undo what a function did before its error.

-- From here on one more would not be exact: neither in Lua nor in JavaScript.
local MOST = 9007199254740990

-- What is there instead of what should be. Whoever takes the key away lets the channel begin anew.
local function broken(word, key, is, expected)
  return redis.error_reply(word .. ' ' .. key .. ' is ' .. is .. '; expected ' .. expected .. ', or no such key')
end

-- An error, unless the key has this type, or there is none. Also answers the type.
local function problem_with_type(key, expected)
  local is = redis.call('TYPE', key).ok
  if is == 'none' or is == expected then
    return nil, is
  end
  return broken('WRONGTYPE', key, 'a ' .. is, 'a ' .. expected), is
end

local function problem_with_number(key, text)
  return broken('BADKEY', key, string.sub(text, 1, 40), 'a whole number below ' .. digits(MOST))
end

-- As INCRBY reads it, and so that one more is exact.
local function counter(text)
  local number = string.find(text, '^[1-9]%d*$') and tonumber(text)
  return number and number < MOST and number or nil
end

-- Where one of a channel's keys is missing, or its head is ahead of all ids, nothing can be said of it any more (`lost`): it goes
-- on with a message that comes after something which nobody has, so that readers are told. Answers an error where a key is of
-- another type.
local function look_for_missing(kept, id, last)
  local problem = not id and problem_with_type(kept.base .. ':msg_id', 'string')
  problem = problem or not last and problem_with_type(kept.base .. ':msg_last', 'string')
  if problem then
    return problem
  end
  local is
  problem, is = problem_with_type(kept.backlog, 'stream')
  kept.lost = id or last or is == 'stream'
  return problem
end

-- What will be changed before the backlog is, and the backlog itself: then it is too late to find out.
local function problem_behind(kept)
  local length = redis.pcall('XLEN', kept.backlog)
  if type(length) ~= 'number' then
    return problem_with_type(kept.backlog, 'stream') or length
  end
  return nil
end

-- Whether the backlog is to be trimmed by age with a message of this id, and the end of its keys renewed: every 16th time, or
-- where the one before is so old that 16 of them may take 1 % of the time (2 us a message).
local function is_due(clock, kept, id)
  return kept.revision % 16 == 15 or id - kept.last > clock.ttl * 0.625
end

local ON_BACKLOG = { 'XADD', 'XTRIM', 'PEXPIRE', 'DEL' }

-- Asks for what a message on the channel changes. XADD is the first that does, unless something else was changed before.
local function require_append(clock, kept, careful)
  local may, revision, last = redis.acl_check_cmd, kept.base .. ':msg_id', kept.base .. ':msg_last'
  if not (may('INCRBY', revision) and may('INCRBY', last) and may('PUBLISH', kept.topic) and may('HSET', CLOCK)) then
    require_permission('INCRBY', revision)
    require_permission('INCRBY', last)
    require_permission('PUBLISH', kept.topic)
    require_permission('HSET', CLOCK)
  end
  if careful or kept.user or is_due(clock, kept, math.max(clock.last + 1, clock.now)) then
    require_permissions(kept.backlog, ON_BACKLOG)
  end
  if kept.user then
    require_rights(kept.user)
  end
end

-- What `append` goes by, or `nil` and an error. `careful`: something else will have been changed before the backlog of this
-- channel. On a user's own channel that is always so: what is known of the rights is changed first.
local function look_at(clock, channel, careful)
  local base = PREFIX .. 'channel:' .. channel
  local stored = redis.call('MGET', base .. ':msg_id', base .. ':msg_last')
  local id, last = stored[1], stored[2]
  local kept = {
    base = base,
    backlog = base .. ':msg_backlog',
    topic = topic_of(channel),
    user = user_of(channel),
    length = length_for(clock, channel),
    revision = id and counter(id) or 0,
    last = last and counter(last) or 0,
    lost = false,
  }
  require_append(clock, kept, careful)
  local problem
  if not (id and last) then
    problem = look_for_missing(kept, id, last)
  end
  if id and kept.revision == 0 then
    problem = problem_with_number(base .. ':msg_id', id)
  elseif last and kept.last == 0 then
    problem = problem_with_number(base .. ':msg_last', last)
  elseif kept.last >= math.max(clock.last + 1, clock.now) then
    kept.lost = true
  end
  if not problem and (careful or kept.user) then
    problem = problem_behind(kept)
  end
  if problem then
    return nil, problem
  end
  return kept
end
