local function xadd(kept, id, envelope)
  return redis.pcall('XADD', kept.backlog, 'MAXLEN', kept.length, id .. '-0', 'm', envelope)
end

-- Adds it to the backlog, whose type is right, or nothing else has been changed before. A backlog that has an entry from the
-- future takes nothing else: it begins anew.
local function add_to_backlog(kept, id, envelope)
  if kept.lost and kept.revision == 0 then
    require_permission('DEL', kept.backlog)
    redis.call('DEL', kept.backlog)
  end
  local added = xadd(kept, id, envelope)
  if not added.err then
    return nil
  end
  local problem = problem_with_type(kept.backlog, 'stream')
  if problem or not string.find(added.err, 'equal or smaller', 1, true) then
    return problem or added
  end
  require_permission('DEL', kept.backlog)
  redis.call('DEL', kept.backlog)
  added = xadd(kept, id, envelope)
  return added.err and added or nil
end

-- Records one message: id, revision, backlog, envelope. `kept`: as look_at answered, and brought up to date here.
-- `plain`: the place of a plain PUBLISH, see recorder.lua. `change`: changes the list of the user in this very command, and answers
-- { sign, channel } if it did.
-- Appends before it publishes: what cannot be recorded is not delivered either. Answers id and revision, or an error.
local function append(clock, kept, data, options)
  local id = digits(next_id(clock))
  local revision = kept.revision + 1
  -- What is lost had a last message that nobody knows: readers must not take this one for its successor.
  local previous = digits(kept.lost and clock.last - 1 or kept.last)
  local plain, event = options.plain, options.event
  local flags = options.oversize and 'o' or '-'
  local header = id .. ' ' .. revision .. ' ' .. previous .. ' ' .. (plain or '-') .. ' ' .. flags .. ' '
  header = header .. (event and '=' .. event or '-')
  if kept.user then
    header = header .. ' ' .. look_with_message(kept.user, clock, id, previous, plain, options.change)
  end
  local envelope = header .. '\n' .. data
  local problem = add_to_backlog(kept, id, envelope)
  if problem then
    return nil, problem
  end
  -- By how much, instead of SET: that is half as dear.
  redis.call('INCRBY', kept.base .. ':msg_id', 1)
  redis.call('INCRBY', kept.base .. ':msg_last', digits(clock.last - kept.last))
  -- Readers go by the age of each message: one that is there too long is not read, and a key that went before its last
  -- message would make what has expired look trimmed.
  if is_due(clock, kept, clock.last) then
    redis.call('XTRIM', kept.backlog, 'MINID', digits(clock.now - clock.ttl * 1000))
    redis.call('PEXPIRE', kept.backlog, math.ceil(clock.ttl * 1.01) + 1000)
  end
  kept.revision, kept.last, kept.lost = revision, clock.last, false
  say(clock, kept.topic, envelope)
  return id, revision
end
