-- Records one plain PUBLISH. `known`: what is kept of the channels of this call. Answers an error where it cannot be recorded.
local function record_one(clock, known, place, channel, data)
  local problem
  if not known[channel] then
    known[channel], problem = look_at(clock, channel)
    if problem then
      return problem
    end
  end
  local oversize = #data > clock.max
  local id
  id, problem = append(clock, known[channel], oversize and '' or data, { plain = place, oversize = oversize })
  return not id and problem or nil
end

-- FCALL sisyphus_record 0 <me> <count> (<id> <number> <channel> <data>)*  ->  [recorded, skipped, failed channel, error, …]
-- <count>: with the last of them. Refused with FENCED unless I am the owner. Places that are recorded already are skipped:
-- sending a batch again when its answer was lost is safe. What fails is one channel's (a key of a wrong type, say): its place
-- is past all the same, and its readers are told, once for this call: whoever reads the channel's state then reads it behind
-- all of them. Without a channel it is the answer to sisyphus_settle: everything before it is recorded now.
define('record', {}, function(args)
  require_permission('HSET', CLOCK)
  require_permission('HSET', RECORDER)
  require_permissions(GAPS, { 'LRANGE', 'DEL', 'RPUSH' })
  local clock = read_clock()
  local recorder = read_recorder(clock)
  if recorder.owner ~= args[1] then
    return redis.error_reply('FENCED another gateway records now')
  end
  local answer, known, told = { 0, 0 }, {}, {}
  for i = 3, #args, 4 do
    local id, number, channel, data = tonumber(args[i]), tonumber(args[i + 1]), args[i + 2], args[i + 3]
    -- A place behind every id is one that somebody made up, by a PUBLISH on a topic of ours: no other is compared with it.
    local is_made_up = id > clock.last
    local is_new = comes_after(id, number, recorder.id, recorder.number)
    if is_new and not is_made_up then
      recorder.id, recorder.number = id, number
    end
    if channel == '' then
      say(clock, TOPIC .. '@settled', 'upto ' .. args[i])
    elseif is_made_up or is_new then
      local place = digits(math.min(id, clock.last)) .. '.' .. args[i + 1]
      local done, problem = pcall(record_one, clock, known, place, channel, data)
      if done and not problem then
        answer[1] = answer[1] + 1
      else
        answer[#answer + 1] = channel
        answer[#answer + 1] = type(problem) == 'table' and problem.err or tostring(problem)
        if not told[channel] then
          told[channel] = true
          local gap = write_channel_gap(clock, channel)
          -- Where the ACL denies it, gateways find the gap with their next mark.
          if redis.acl_check_cmd('PUBLISH', TOPIC .. '@gap', gap) then
            say(clock, TOPIC .. '@gap', gap)
          end
        end
      end
    else
      answer[2] = answer[2] + 1
    end
  end
  save(clock)
  redis.call('HSET', RECORDER, 'id', digits(recorder.id), 'number', recorder.number, 'count', args[2])
  return answer
end)
