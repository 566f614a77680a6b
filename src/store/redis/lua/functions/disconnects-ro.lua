-- FCALL_RO sisyphus_disconnects_ro 1 <key> <since> <heard>
-- Answers the disconnects that were made after an id.
-- Keys: the disconnects.
-- Arguments: the id up to which the caller knows all, or 0 if it knows none; when that was (us by this server's clock).
-- Result: [now (us), 1 if some after `since` are not kept any more, what ends, id, what ends, id, …], in the order of the ids.
-- Errors: only those of every function.
define('disconnects_ro', { 'no-writes', 'allow-oom' }, function(args)
  local since, heard, now = tonumber(args[1]) or 0, tonumber(args[2]) or 0, redis_time()
  local found = redis.pcall('ZRANGE', DISCONNECTS, '(' .. digits(since), '+inf', 'BYSCORE', 'WITHSCORES')
  if found.err then
    if not is_mistyped(DISCONNECTS, 'zset') then
      error(found)
    end
    found = {}
  end
  local is_incomplete = #found >= 2 * MOST_DISCONNECTS or heard < now - DISCONNECTS_KEPT
  local answer = { digits(now), since > 0 and is_incomplete and 1 or 0 }
  for i = 1, #found, 2 do
    answer[#answer + 1] = found[i]
    answer[#answer + 1] = digits(tonumber(found[i + 1]))
  end
  return answer
end)
