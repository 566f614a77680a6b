-- The state of one channel: its revision, the id of its last message, and its backlog. All of it is looked at before the first key is changed,
-- because Redis does not undo what a function did before its error.

local ON_BACKLOG = { 'XADD', 'XTRIM', 'PEXPIRE', 'DEL' }

-- Asks for all that a message on the channel changes. `careful`: see read_channel; if it is not set, XADD is the first to change anything,
-- and asks for itself.
local function require_append(clock, state, careful)
  local may, revision, last = redis.acl_check_cmd, state.revision_key, state.last_id_key
  if not (may('INCRBY', revision) and may('INCRBY', last) and may('PUBLISH', state.topic) and may('HSET', CLOCK)) then
    require_permission('INCRBY', revision)
    require_permission('INCRBY', last)
    require_permission('PUBLISH', state.topic)
    require_permission('HSET', CLOCK)
  end
  local id = math.max(clock.last + 1, clock.now)
  if careful or state.user or is_trim_due(clock, state, id) then
    require_permissions(state.backlog, ON_BACKLOG)
  end
  if careful or is_renewal_due(clock, state, id) then
    require_permission('PEXPIRE', revision)
    require_permission('PEXPIRE', last)
  end
  if state.user then
    require_rights(state.user)
  end
end

-- The number in a text as INCRBY reads it, if one more is exact.
local function counter(text)
  local number = string.find(text, '^[1-9]%d*$') and tonumber(text)
  return number and number < MOST_EXACT and number or nil
end

-- One of the channel's two counters is missing. If the other, or the backlog, is there, then the channel is `lost`: see append. Answers an
-- error if a key has another type.
local function find_loss(state, id, last)
  local problem = not id and problem_with_type(state.revision_key, 'string')
  problem = problem or not last and problem_with_type(state.last_id_key, 'string')
  if problem then
    return problem
  end
  local is
  problem, is = problem_with_type(state.backlog, 'stream')
  state.lost = id or last or is == 'stream'
  return problem
end

-- Answers an error if the backlog's key has another type.
local function problem_with_backlog(state)
  local length = redis.pcall('XLEN', state.backlog)
  if type(length) ~= 'number' then
    return problem_with_type(state.backlog, 'stream') or length
  end
  return nil
end

-- Answers the state that `append` goes by, or `nil` and an error if a message cannot be recorded on the channel. `careful`: something else
-- will have been changed before the channel's backlog is. On a user's own channel it always is: the rights are written first.
local function read_channel(clock, channel, careful)
  local state = {
    revision_key = revision_key(channel), last_id_key = last_id_key(channel), backlog = backlog_key(channel),
    topic = topic_of(channel), user = user_of(channel), length = length_for(clock, channel), lost = false,
  }
  local stored = redis.call('MGET', state.revision_key, state.last_id_key)
  local id, last = stored[1], stored[2]
  state.revision = id and counter(id) or 0
  state.last = last and counter(last) or 0
  require_append(clock, state, careful)
  local problem
  if not (id and last) then
    problem = find_loss(state, id, last)
  end
  if id and state.revision == 0 then
    problem = problem_with_number(state.revision_key, id)
  elseif last and state.last == 0 then
    problem = problem_with_number(state.last_id_key, last)
  elseif state.last >= math.max(clock.last + 1, clock.now) then
    -- The last id is ahead of all ids, so it was not given out here, and the real one is lost.
    state.lost = true
  end
  if not problem and (careful or state.user) then
    problem = problem_with_backlog(state)
  end
  if problem then
    return nil, problem
  end
  return state
end

-- The ids of the last messages of the channels that are named from `args[from]` on.
local function read_last_ids(args, from)
  return #args < from and {} or redis.call('MGET', unpack(last_id_keys(args, from, #args, 1)))
end
