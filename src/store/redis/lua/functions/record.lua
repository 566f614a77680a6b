-- FCALL sisyphus_record 1 <key> <me> <count> (<id> <number> <channel> <data>)*
-- Records plain PUBLISHes, each once, and publishes their envelopes.
-- Keys: the clock, the recorder, the gaps, and those of sisyphus_publish for each channel.
-- Arguments: the name of the owner of the lease; how many plain PUBLISHes there had been with the last of these (see publishes.lua); for
--   each its place, the channel and the text. Places that are recorded already are skipped, so a batch whose answer was lost may be sent
--   again. An empty channel answers sisyphus_settle: everything before it is recorded now.
-- Result: [recorded, skipped, channel, error, …]. A message that cannot be recorded is in the error of its channel only (a key has a wrong
--   type, for example). Its place counts as recorded all the same, and the channel's readers are told. Once for this call is enough, because
--   whoever then reads the channel reads it as it is after the whole call.
-- Errors: FENCED if another gateway owns the lease.

-- Records one message; answers an error if that is impossible. `states`: of the channels of this call, by their names.
local function record_one(clock, states, place, channel, data)
  local problem
  if not states[channel] then
    states[channel], problem = read_channel(clock, channel)
    if problem then
      return problem
    end
  end
  local oversize = #data > clock.max
  local id
  id, problem = append(clock, states[channel], oversize and '' or data, { plain = place, oversize = oversize })
  return not id and problem or nil
end

define('record', {}, function(args)
  require_gaps()
  require_permission('HSET', RECORDER)
  require_permission('PUBLISH', TOPIC .. '@settled')
  local clock = read_clock()
  begin_if_due(clock)
  local recorder = read_recorder(clock) or forget_recorder(clock)
  if recorder.owner ~= args[1] then
    return redis.error_reply('FENCED another gateway records now')
  end
  local answer, states, told = { 0, 0 }, {}, {}
  for i = 3, #args, 4 do
    local id, number, channel, data = tonumber(args[i]), tonumber(args[i + 1]), args[i + 2], args[i + 3]
    -- A place ahead of every id was made up by somebody who published on a topic of ours. No other place is compared with it.
    local is_made_up = id > clock.last
    local is_new = comes_after(id, number, recorder.id, recorder.number)
    if is_new and not is_made_up then
      recorder.id, recorder.number = id, number
    end
    if channel == '' then
      publish(clock, TOPIC .. '@settled', 'upto ' .. args[i])
    elseif is_made_up or is_new then
      local place = digits(math.min(id, clock.last)) .. '.' .. args[i + 1]
      local done, problem = pcall(record_one, clock, states, place, channel, data)
      if done and not problem then
        answer[1] = answer[1] + 1
      else
        answer[#answer + 1] = channel
        answer[#answer + 1] = type(problem) == 'table' and problem.err or tostring(problem)
        if not told[channel] then
          told[channel] = true
          publish_gap(clock, write_channel_gap(clock, channel))
        end
      end
    else
      answer[2] = answer[2] + 1
    end
  end
  save_clock(clock)
  redis.call('HSET', RECORDER, 'id', digits(recorder.id), 'number', recorder.number, 'count', args[2])
  return answer
end)
