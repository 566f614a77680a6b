-- FCALL sisyphus_record 0 <me> <count> (<id> <number> <channel> <data>)*  ->  [recorded, skipped, failed channel, error, …]
-- <count>: with the last of them. Refused with FENCED unless I am the owner. Places that are recorded already are skipped:
-- sending a batch again when its answer was lost is safe. One channel that fails (wrong type) does not stop the others.
define('record', {}, function(args)
  local clock = read_clock()
  local recorder = read_recorder(clock)
  if recorder.owner ~= args[1] then
    return redis.error_reply('FENCED another gateway records now')
  end
  local answer = { 0, 0 }
  for i = 3, #args, 4 do
    local id, number, channel, data = tonumber(args[i]), tonumber(args[i + 1]), args[i + 2], args[i + 3]
    if recorder.id > clock.last or comes_after(id, number, recorder.id, recorder.number) then
      recorder.id, recorder.number = id, number
      local oversize = #data > clock.max
      local recorded, problem = append(clock, channel, oversize and '' or data, {
        plain = args[i] .. '.' .. args[i + 1],
        oversize = oversize,
      })
      if recorded then
        answer[1] = answer[1] + 1
      else
        answer[#answer + 1] = channel
        answer[#answer + 1] = problem.err
      end
    else
      answer[2] = answer[2] + 1
    end
  end
  save(clock)
  redis.call('HSET', RECORDER, 'id', digits(recorder.id), 'number', recorder.number, 'count', args[2])
  return answer
end)
