-- The atomic step of a message: its id, its revision, the backlog, the envelope.

local function add_entry(state, id, envelope)
  return redis.pcall('XADD', state.backlog, 'MAXLEN', state.length, id .. '-0', 'm', envelope)
end

-- Adds the envelope to the backlog; answers an error if that is impossible. A backlog with an entry that is ahead of all ids, or one without
-- a revision, begins anew. The key's type is known to be right, or nothing else has been changed before.
local function add_to_backlog(state, id, envelope)
  if state.lost and state.revision == 0 then
    require_permission('DEL', state.backlog)
    redis.call('DEL', state.backlog)
  end
  local added = add_entry(state, id, envelope)
  if not added.err then
    return nil
  end
  local problem = problem_with_type(state.backlog, 'stream')
  if problem or not string.find(added.err, 'equal or smaller', 1, true) then
    return problem or added
  end
  require_permission('DEL', state.backlog)
  redis.call('DEL', state.backlog)
  added = add_entry(state, id, envelope)
  return added.err and added or nil
end

-- Records one message and publishes its envelope; answers its id and revision, or `nil` and an error. `state` is what read_channel answered,
-- and is brought up to date. The options: `event`, its name; `plain`, the place of a plain PUBLISH (see recorder.lua); `oversize`; `trace`, a traceparent;
-- `change`, which changes the user's list in this very call, and answers { sign, channel } if it did.
local function append(clock, state, data, options)
  local id = digits(next_id(clock))
  local revision = state.revision + 1
  -- Nobody knows the last message of a lost channel, so this one is said to come after an id that no reader has. So readers are told.
  local previous = digits(state.lost and clock.last - 1 or state.last)
  local plain, event = options.plain, options.event
  local flags = (options.oversize and 'o' or '-') .. (options.trace and '/' .. options.trace or '')
  local header = id .. ' ' .. revision .. ' ' .. previous .. ' ' .. (plain or '-') .. ' ' .. flags .. ' '
  header = header .. (event and '=' .. event or '-')
  if state.user then
    header = header .. ' ' .. compare_with_message(state.user, clock, id, previous, plain, options.change)
  end
  local envelope = header .. '\n' .. data
  -- The message is added before it is published, because what cannot be recorded must not be delivered either.
  local problem = add_to_backlog(state, id, envelope)
  if problem then
    return nil, problem
  end
  -- INCRBY by the difference takes half the time of SET.
  redis.call('INCRBY', state.revision_key, 1)
  redis.call('INCRBY', state.last_id_key, digits(clock.last - state.last))
  if is_renewal_due(clock, state, clock.last) then
    renew_channel(clock, state)
  end
  if is_trim_due(clock, state, clock.last) then
    trim_backlog(clock, state, #envelope)
  end
  state.revision, state.last, state.lost = revision, clock.last, false
  publish(clock, state.topic, envelope)
  return id, revision
end
