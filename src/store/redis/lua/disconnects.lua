-- Disconnects: the streams of a user, or those of one credential, are to end.
--
-- `<key>:disconnects` is a sorted set of `user <user>` and `credential <hash> <user>` by the id at which each was made last. If a gateway has noted
-- one again that was lost, the id with which it was made stands behind it. The clock's field
-- `disconnected` has the id of the last one, which comes with each mark; the topic `@disconnect` carries the same id and the user at once. Either makes a
-- gateway read the set. So a gateway that was cut off reads what it has missed, and nobody can forge a disconnect by a PUBLISH.
--
-- Invariant: for DISCONNECTS_KEPT a disconnect is in the set, unless MOST_DISCONNECTS others came after it. A reader that may lack one can
-- tell: all of a full set is new to it, or it has read nothing for so long.

-- In microseconds, and in number.
local DISCONNECTS_KEPT, MOST_DISCONNECTS = 600000000, 10000

local function require_disconnects()
  require_permissions(DISCONNECTS, { 'ZADD', 'ZREMRANGEBYSCORE', 'ZREMRANGEBYRANK', 'PEXPIRE', 'TYPE', 'DEL' })
  require_permission('HSET', CLOCK)
  require_permission('PUBLISH', TOPIC .. '@disconnect')
end

-- Makes a disconnect, and answers its id. The caller has asked for permission and begun what was due, and saves the clock.
local function disconnect(clock, entry)
  local id = digits(next_id(clock))
  if is_mistyped(DISCONNECTS, 'zset') then
    redis.call('DEL', DISCONNECTS)
  end
  redis.call('ZREMRANGEBYSCORE', DISCONNECTS, '-inf', digits(clock.now - DISCONNECTS_KEPT))
  redis.call('ZADD', DISCONNECTS, id, entry)
  redis.call('ZREMRANGEBYRANK', DISCONNECTS, 0, -MOST_DISCONNECTS - 1)
  redis.call('PEXPIRE', DISCONNECTS, DISCONNECTS_KEPT / 1000)
  redis.call('HSET', CLOCK, 'disconnected', id)
  local user = string.match(entry, '^user (%S+)') or string.match(entry, '^credential %S+ (%S+)')
  publish(clock, TOPIC .. '@disconnect', id .. ' ' .. user)
  return id
end
