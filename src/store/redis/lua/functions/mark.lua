-- FCALL sisyphus_mark 1 <key> <floor> <channel>*
-- Answers up to which id everything has been given out. A gateway asks on the connection that receives the envelopes: everything up to `last`
-- on its channels has come before the answer.
-- Keys: the clock, the gaps, the last id of each channel.
-- Arguments: the last id that the gateway has received; the channels. Ids are lifted above that one, because a replica may have been
--   promoted without it, and what lies between is a fork. An id that is too far ahead to have been given out is ignored: it would be the end
--   of ids.
-- Result: [last, born, [gap…], [last id of each channel], now (us), database or '', prefix or '', number of the settings,
--   '', 1, id of the last disconnect or '']. The two before the last are those of sisyphus_mark_ro.
-- Errors: only those of every function.
define('mark', { 'allow-oom' }, function(args)
  local clock = read_clock()
  begin_if_due(clock)
  local gaps = read_gaps() or begin_life_without_gaps(clock)
  local heads = read_last_ids(args, 2)
  local floor = tonumber(args[1])
  if floor > clock.last and floor <= clock.now + MOST_AHEAD then
    fork(clock, floor + 1)
    gaps = read_gaps() or begin_life_without_gaps(clock)
  end
  local stored = redis.call('HMGET', CLOCK, 'settings', 'disconnected')
  return { digits(clock.last), clock.born, gaps, heads, digits(clock.now), clock.database or '', clock.prefix or '',
    stored[1] or '0', '', 1, stored[2] or '' }
end)
