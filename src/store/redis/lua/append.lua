local function matches(glob, name)
  local pattern = string.gsub(glob, '[%^%$%(%)%%%.%+%-%*%?]', function(c)
    if c == '*' then
      return '.*'
    elseif c == '?' then
      return '.'
    end
    return '%' .. c
  end)
  return string.find(name, '^' .. pattern .. '$') ~= nil
end

-- `rules` is `sticker:*=1 room:*=500`; the first that matches counts.
local function length_for(clock, channel)
  if clock.rules ~= '' then
    for glob, length in string.gmatch(clock.rules, '(%S+)=(%d+)') do
      if matches(glob, channel) then
        return length
      end
    end
  end
  return clock.length
end

-- Records one message: id, revision, backlog, envelope. `plain`: the place of a plain PUBLISH, see recorder.lua.
-- `change`: changes the list of the user in this very command, and answers { sign, channel } if it did.
-- Appends before it publishes: what cannot be recorded is not delivered either. Answers id and revision, or an error.
local function append(clock, channel, data, options)
  local base = PREFIX .. 'channel:' .. channel
  local backlog = base .. ':msg_backlog'
  local id = digits(next_id(clock))
  local user = user_of(channel)
  local revision = redis.call('INCR', base .. ':msg_id')
  local previous = redis.call('GETSET', base .. ':msg_last', id) or '0'
  local plain, event = options.plain, options.event
  local flags = options.oversize and 'o' or '-'
  local header = id .. ' ' .. revision .. ' ' .. previous .. ' ' .. (plain or '-') .. ' ' .. flags .. ' '
  header = header .. (event and '=' .. event or '-')
  if user then
    header = header .. ' ' .. look_with_message(user, clock, id, previous, plain, options.change)
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

-- What would be right, for whoever publishes by hand; `nil` where nothing is wrong.
local function problem_with(clock, channel, data, event)
  if not is_channel(channel) then
    return redis.error_reply('BADCHANNEL 1 to 128 of A-Z a-z 0-9 _ . : - are right, such as room:918; sisyphus: is reserved')
  end
  if #data > clock.max then
    return redis.error_reply('TOOLARGE ' .. #data .. ' bytes; a message may have ' .. clock.max)
  end
  if event and (#event > 128 or #event < 1 or string.find(event, '[^%w_.:-]')) then
    return redis.error_reply('BADEVENT 1 to 128 of A-Z a-z 0-9 _ . : - are right')
  end
  if event == 'reset' or event == 'open' or event == 'error' or event == 'message' then
    return redis.error_reply('BADEVENT reset, open, error and message mean something else to an EventSource')
  end
  return nil
end
