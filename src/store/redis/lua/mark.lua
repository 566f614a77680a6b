-- FCALL sisyphus_mark 0 <floor> <channel>*  ->  [last, born, [gap…], [last id of each channel], now, database or '', prefix or '',
--   settings: see configure.lua]
-- Asked on the connection that hears the envelopes, the answer stands in their order: everything up to `last` on its
-- channels has been heard before it. `floor` is the last id the gateway has heard: ids rise above it also on a replica
-- that was promoted without it; what was heard and is not here is lost. Not above any number, which would be the end of ids:
-- what is further ahead than ids can be was never given out. `now`: Redis's clock (us).
define('mark', { 'allow-oom' }, function(args)
  local clock = read_clock()
  local gaps = read_gaps(clock)
  local heads = {}
  if #args > 1 then
    local names = {}
    for i = 2, #args do
      names[#names + 1] = PREFIX .. 'channel:' .. args[i] .. ':msg_last'
    end
    heads = redis.call('MGET', unpack(names))
  end
  local floor = tonumber(args[1])
  if floor > clock.last and floor <= clock.now + MOST_AHEAD then
    fork(clock, floor + 1)
    gaps = read_gaps(clock)
  end
  return { digits(clock.last), clock.born, gaps, heads, digits(clock.now), clock.database or '', clock.prefix or '',
    redis.call('HGET', CLOCK, 'settings') or '0' }
end)
