-- FCALL_RO sisyphus_mark_ro 1 <key> <channel>*
--   ->  [last or '', born or '', `master`, `slave` or '', 1 if the clock is of this branch of replication, [gap...], [last id of each channel]]
-- What sisyphus_mark answers, for a Redis that takes no writes: no life of the store is begun here, no gap is written and no id
-- given out. The caller judges what it has heard beyond `last`. A user who may not call INFO is answered all the same.
define('mark_ro', { 'no-writes', 'allow-oom' }, function(args)
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'replid')
  if stored.err then
    stored = {}
  end
  local info = redis.pcall('INFO', 'replication')
  info = type(info) == 'string' and info or ''
  local replid = string.match(info, 'master_replid:(%x+)')
  local gaps = redis.pcall('LRANGE', GAPS, 0, -1)
  local heads = {}
  if #args > 0 then
    local names = {}
    for i = 1, #args do
      names[i] = PREFIX .. 'channel:' .. args[i] .. ':msg_last'
    end
    heads = redis.call('MGET', unpack(names))
  end
  return {
    stored[1] or '',
    stored[2] or '',
    string.match(info, 'role:(%a+)') or '',
    (replid == nil or replid == stored[3]) and 1 or 0,
    gaps.err and {} or gaps,
    heads,
  }
end)
