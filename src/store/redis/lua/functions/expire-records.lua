-- FCALL sisyphus_expire_records 1 <key> <collection>
-- Destroys the records whose time is over, as a change like any other. Every gateway may ask: the first one makes the change, and the others
-- find nothing left to do.
-- Keys: those of sisyphus_put.
-- Arguments: the collection.
-- Result: how many records were destroyed; not more than 1000 in one call
-- Errors: NOCOLLECTION, BADKEY, WRONGTYPE.

local MOST_AT_ONCE_EXPIRED = 1000

-- Records without an end are from before the collection had a ttl: their time begins now.
local function give_ends(opened)
  if redis.call('ZCARD', opened.expires) >= opened.known.count then
    return
  end
  local missing = {}
  for key in pairs(collections.records_of(opened)) do
    if not redis.call('ZSCORE', opened.expires, key) then
      missing[#missing + 1] = key
    end
  end
  collections.write_ends(opened, missing, {})
end

define('expire_records', {}, function(args)
  local opened, problem = collections.open(args[1])
  if not opened then
    return problem
  elseif not opened.settings.ttl then
    return 0
  end
  begin_if_due(opened.clock)
  give_ends(opened)
  local now = digits(math.floor(opened.clock.now / 1000))
  local over = redis.call('ZRANGEBYSCORE', opened.expires, '-inf', now, 'LIMIT', 0, MOST_AT_ONCE_EXPIRED)
  if #over == 0 then
    return 0
  end
  local change = { create = {}, update = {}, destroy = {}, kept = {}, before = collections.records_of(opened, over) }
  for _, key in ipairs(over) do
    if change.before[key] then
      change.destroy[#change.destroy + 1] = key
    end
  end
  if #change.destroy == 0 then
    redis.call('ZREM', opened.expires, unpack(over))
    return 0
  end
  collections.problem_with_count(change, opened.known.count)
  local answer = collections.apply(opened, change)
  return answer.err and answer or #change.destroy
end)
