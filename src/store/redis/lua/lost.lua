-- FCALL sisyphus_lost 0 <from> <to> <@heard|@some|@all> <channel>*  ->  OK
-- Which channels have lost a message in the fork between the two ids. @heard: says one that had heard everything until then, so
-- these are all that it knows of; @some: these have, and there may be others; @all: nobody knows, so any may have, unless one
-- that had heard everything has spoken.
define('lost', { 'allow-oom' }, function(args)
  local clock = read_clock()
  local channels = {}
  for i = 4, #args do
    channels[#channels + 1] = args[i]
  end
  local start = 'forked ' .. args[1] .. ' ' .. args[2] .. ' '
  for i, gap in ipairs(redis.call('LRANGE', GAPS, 0, -1)) do
    local changed = string.sub(gap, 1, #start) == start and with_lost(gap, args[3], channels) or gap
    if changed ~= gap then
      redis.call('LSET', GAPS, i - 1, changed)
      say(clock, TOPIC .. '@gap', changed)
      save(clock)
    end
  end
  return redis.status_reply('OK')
end)
