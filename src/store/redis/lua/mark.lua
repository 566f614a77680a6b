-- FCALL sisyphus_mark 0 <floor> <channel>*  ->  [last, born, [gap…], [last id of each channel], now, database or '', prefix or '']
-- Asked on the connection that hears the envelopes, the answer stands in their order: everything up to `last` on its
-- channels has been heard before it. `floor` is the last id the gateway has heard: ids rise above it also on a replica
-- that was promoted without it; what was heard and is not here is lost. Not above any number, which would be the end of ids:
-- what is further ahead than ids can be was never given out. `now`: Redis's clock (us).
define('mark', { 'allow-oom' }, function(args)
  local clock = read_clock()
  local gaps = read_gaps(clock)
  local floor = tonumber(args[1])
  if floor > clock.last and floor <= clock.now + MOST_AHEAD then
    gaps[#gaps + 1] = write_gap('forked', clock.last, floor + 1)
    clock.last = floor + 1
    save(clock)
  end
  local heads = {}
  if #args > 1 then
    local names = {}
    for i = 2, #args do
      names[#names + 1] = PREFIX .. 'channel:' .. args[i] .. ':msg_last'
    end
    heads = redis.call('MGET', unpack(names))
  end
  return { digits(clock.last), clock.born, gaps, heads, digits(clock.now), clock.database or '',
    clock.prefix or '' }
end)

-- FCALL sisyphus_lost 0 <from> <to> <channel>*: these channels have lost messages in the fork between the two ids.
define('lost', { 'allow-oom' }, function(args)
  local gap = 'forked ' .. args[1] .. ' ' .. args[2]
  for i, text in ipairs(redis.call('LRANGE', GAPS, 0, -1)) do
    if text == gap or string.sub(text, 1, #gap + 1) == gap .. ' ' then
      local known = {}
      for name in string.gmatch(string.sub(text, #gap + 1), '%S+') do
        known[name] = true
      end
      for j = 3, math.min(#args, 1000) do
        if not known[args[j]] then
          text = text .. ' ' .. args[j]
        end
      end
      redis.call('LSET', GAPS, i - 1, text)
      return redis.status_reply('OK')
    end
  end
  return redis.status_reply('OK')
end)
