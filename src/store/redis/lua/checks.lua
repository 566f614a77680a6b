-- What may be the name of a channel, of a user and of an event, and what is wrong with a message that a caller brings. The JavaScript side
-- is message/names.ts; the tables in test/support/twin-tables.ts are tried on both.

local function is_user(id)
  return #id >= 1 and #id <= 128 and not string.find(id, '[^%w_.@+|-]')
end

-- The user whose own channel this is; `nil` if it is no user's own.
local function user_of(channel)
  if string.sub(channel, 1, 5) ~= 'user:' then
    return nil
  end
  local user = string.sub(channel, 6)
  return is_user(user) and user or nil
end

local function is_channel(name)
  if #name < 1 or string.sub(name, 1, 9) == 'sisyphus:' then
    return false
  end
  if #name <= 128 and not string.find(name, '[^%w_.:-]') then
    return true
  end
  return user_of(name) ~= nil
end

-- Answers an error if this may not be the name of an event, or else `nil`.
local function problem_with_event(event)
  if #event > 128 or #event < 1 or string.find(event, '[^%w_.:-]') then
    return redis.error_reply('BADEVENT expected 1 to 128 of A-Z a-z 0-9 _ . : -')
  end
  if event == 'reset' or event == 'denied' or event == 'open' or event == 'error' or event == 'message' then
    return redis.error_reply('BADEVENT reset, denied, open, error and message mean something else to an EventSource')
  end
  return nil
end

-- Answers an error if the message may not be published, or else `nil`. `event` is `nil` for a message without a name.
local function problem_with_message(clock, channel, data, event)
  if not is_channel(channel) then
    return redis.error_reply('BADCHANNEL expected 1 to 128 of A-Z a-z 0-9 _ . : -, such as room:918; sisyphus: is reserved')
  end
  if #data > clock.max then
    return redis.error_reply('TOOLARGE ' .. #data .. ' bytes; a message may have ' .. clock.max)
  end
  return event and problem_with_event(event) or nil
end
