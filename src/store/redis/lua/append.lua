-- What rules were last read as, by their text.
local compiled, compiled_text = {}, ''

-- `rules` is `sticker:*=1 room:*=500`; the first that fits counts.
local function length_for(clock, channel)
  if clock.rules ~= compiled_text then
    compiled, compiled_text = {}, clock.rules
    for glob, length in string.gmatch(clock.rules, '(%S+)=(%d+)') do
      compiled[#compiled + 1] = { steps = compile_glob(glob), length = tonumber(length) }
    end
  end
  for _, rule in ipairs(compiled) do
    if fits_glob(rule.steps, channel) then
      return rule.length
    end
  end
  return clock.length
end

-- Records one message: id, revision, backlog, envelope. `plain`: the place of a plain PUBLISH, see recorder.lua.
-- `atomic`: the list of the user was changed in this very command.
-- Appends before it publishes: what cannot be recorded is not delivered either. Answers id and revision, or an error.
local function append(clock, channel, data, options)
  local base = PREFIX .. 'channel:' .. channel
  local backlog = base .. ':msg_backlog'
  local id = digits(next_id(clock))
  local user = user_of(channel)
  local revision = redis.call('INCR', base .. ':msg_id')
  local previous = redis.call('GETSET', base .. ':msg_last', id) or '0'
  local plain, event = options.plain, options.event
  local flags = options.oversize and 'o' or options.atomic and 'a' or '-'
  local header = id .. ' ' .. revision .. ' ' .. previous .. ' ' .. (plain or '-') .. ' ' .. flags .. ' '
  header = header .. (event and '=' .. event or '-')
  if user then
    local cause = { after = plain and string.match(plain, '^%d+'), atomic = options.atomic }
    local before, now, changes = sync_rights(read_rights(user), clock.last, cause)
    header = header .. ' ' .. before .. ' ' .. now .. ' ' .. changes
  end
  local envelope = header .. '\n' .. data
  local added = redis.pcall('XADD', backlog, 'MAXLEN', length_for(clock, channel), id .. '-0', 'm', envelope)
  if added.err then
    -- As if nothing had happened: a hole in the revisions would look like a loss.
    redis.call('DECR', base .. ':msg_id')
    redis.call('SET', base .. ':msg_last', previous)
    return nil, added
  end
  -- Every 16th time, or where the one before is so old that 16 of them may take 1 % of the time (2 us a message). Readers go
  -- by the age of each message: one that is there too long is not read, and a key that went before its last message would
  -- make what has expired look trimmed.
  if revision % 16 == 0 or clock.last - tonumber(previous) > clock.ttl * 0.625 then
    redis.call('XTRIM', backlog, 'MINID', digits(clock.now - clock.ttl * 1000))
    redis.call('PEXPIRE', backlog, math.ceil(clock.ttl * 1.01) + 1000)
  end
  say(clock, topic_of(channel), envelope)
  return id, revision
end
