-- FCALL_RO sisyphus_mark_ro 1 <key> <channel>*
--   ->  as sisyphus_mark, with '' for `last` and `born` if there is no store; then `master`, `slave` or '', and 1 if the clock is
--       of this branch of replication
-- For a Redis that takes no writes: no life of the store is begun here, no gap is written and no id given out. The caller judges
-- what it has heard beyond `last`. A user who may not call INFO is answered all the same.
define('mark_ro', { 'no-writes', 'allow-oom' }, function(args)
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'replid', 'database', 'prefix', 'settings')
  if stored.err then
    stored = {}
  end
  local is_there = whole(stored[1]) and whole(stored[2])
  local info = redis.pcall('INFO', 'replication')
  info = type(info) == 'string' and info or ''
  local id = string.match(info, 'master_replid:(%x+)')
  local gaps = redis.pcall('LRANGE', GAPS, 0, -1)
  local heads = {}
  if #args > 0 then
    local names = {}
    for i = 1, #args do
      names[i] = PREFIX .. 'channel:' .. args[i] .. ':msg_last'
    end
    heads = redis.call('MGET', unpack(names))
  end
  local time = redis.call('TIME')
  return {
    is_there and stored[1] or '',
    is_there and stored[2] or '',
    gaps.err and {} or gaps,
    heads,
    digits(tonumber(time[1]) * 1000000 + tonumber(time[2])),
    stored[4] or '',
    stored[5] or '',
    stored[6] or '0',
    string.match(info, 'role:(%a+)') or '',
    (id == nil or id == stored[3]) and 1 or 0,
  }
end)
