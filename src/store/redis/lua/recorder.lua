-- The recorder's lease, its fence and its record. A plain PUBLISH has no id of its own; what names it is its place:
-- the last id recorded before it, and its number behind that id (1, 2, …). Everybody who hears all plain PUBLISHes and
-- all envelopes on one connection counts the same places, so a place is recorded once, whoever records it.

local function comes_after(id, number, other_id, other_number)
  return id > other_id or (id == other_id and number > other_number)
end

-- Whether the count was read in this life of the server.
local function is_of_life(clock, count)
  return string.sub(count, 1, #clock.life) == clock.life
end

-- `sisyphus:{0}:recorder`: owner, expires (us; negative: given back then), ttl (ms), returns (1: given back while others stood by, or by one that only lost
-- its connection), patterns, id and number (everything up to this place is recorded), count (how many plain PUBLISHes there had been at
-- that place, see plain_publishes), awaited (us: since when one that has not heard everything waits for one that has; see lease.lua).
local function read_recorder(clock)
  local stored = redis.pcall('HMGET', RECORDER, 'owner', 'expires', 'id', 'number', 'patterns', 'count', 'returns', 'ttl',
    'awaited')
  if not is_recorder_whole(stored) then
    forget_recorder(clock)
    stored = {}
  end
  local expires, count, returns = tonumber(stored[2] or 0), stored[6] or '', stored[7] == '1'
  local free = expires < clock.now
  -- Further ahead than it is long: the clock has been set back since. Nobody is waited for until it is as late again.
  if math.abs(expires) > clock.now + (whole(stored[8]) or 60000) * 1000 then
    free, expires = true, expires > 0 and clock.now or -clock.now
  end
  -- Given back for good means that nobody ran any more who could have heard what the earlier life of the server had left; in this
  -- one counting begins anew. The counts of two lives are not compared otherwise.
  local is_given_back = expires <= 0 and not returns
  if is_given_back and not is_of_life(clock, count) then
    count = no_publishes(clock)
  end
  local id, number = tonumber(stored[3] or -1), tonumber(stored[4] or 0)
  -- Behind every id: a place of a branch that has ended, or one that somebody made up. Up to where all is recorded is not known.
  if id > clock.last then
    id, number = 0, 0
  end
  return {
    owner = stored[1],
    expires = expires,
    free = free,
    id = id,
    number = number,
    patterns = stored[5],
    count = count,
    is_given_back = is_given_back,
    awaited = tonumber(stored[9]) or 0,
  }
end
