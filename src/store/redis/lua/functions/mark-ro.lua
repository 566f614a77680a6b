-- FCALL_RO sisyphus_mark_ro 1 <key> <channel>*
-- The same as sisyphus_mark for a Redis that takes no writes: no life begins, no gap is written, and no id is given out. The caller judges
-- what it has received beyond `last`.
-- Keys: those of sisyphus_mark.
-- Arguments: the channels.
-- Result: that of sisyphus_mark, with '' for `last` and `born` if there is no clock. The two before the last are `master`, `slave` or '', and
--   1 if the clock is of this branch of replication. A user who may not call INFO is answered '' and 1.
-- Errors: only those of every function.
define('mark_ro', { 'no-writes', 'allow-oom' }, function(args)
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'replid', 'database', 'prefix', 'settings', 'disconnected')
  if stored.err then
    stored = {}
  end
  local is_there = whole(stored[1]) and whole(stored[2])
  local info = redis.pcall('INFO', 'replication')
  info = type(info) == 'string' and info or ''
  local id = string.match(info, 'master_replid:(%x+)')
  local gaps = redis.pcall('LRANGE', GAPS, 0, -1)
  local heads = read_last_ids(args, 1)
  return {
    is_there and stored[1] or '', is_there and stored[2] or '', gaps.err and {} or gaps, heads, digits(redis_time()),
    stored[4] or '', stored[5] or '', stored[6] or '0',
    string.match(info, 'role:(%a+)') or '', (id == nil or id == stored[3]) and 1 or 0, stored[7] or '',
  }
end)
