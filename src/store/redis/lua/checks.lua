-- What is wrong with what a caller brought, and what would be right: an error reply, or `nil` where nothing is wrong.

local function problem_with_event(event)
  if #event > 128 or #event < 1 or string.find(event, '[^%w_.:-]') then
    return redis.error_reply('BADEVENT 1 to 128 of A-Z a-z 0-9 _ . : - are right')
  end
  if event == 'reset' or event == 'open' or event == 'error' or event == 'message' then
    return redis.error_reply('BADEVENT reset, open, error and message mean something else to an EventSource')
  end
  return nil
end

local function problem_with(clock, channel, data, event)
  if not is_channel(channel) then
    return redis.error_reply('BADCHANNEL 1 to 128 of A-Z a-z 0-9 _ . : - are right, such as room:918; sisyphus: is reserved')
  end
  if #data > clock.max then
    return redis.error_reply('TOOLARGE ' .. #data .. ' bytes; a message may have ' .. clock.max)
  end
  return event and problem_with_event(event) or nil
end
