-- The recorder: the gateway that owns the lease, and records plain PUBLISHes.
--
-- A plain PUBLISH has no id until it is recorded; what names it is its place: the last id that was given out before it, and its number
-- behind that id (1, 2, …). Every gateway that receives all plain PUBLISHes and all envelopes on one connection counts the same places, so
-- each place is recorded once, whichever gateway does it.
--
-- `<key>:recorder` is a hash: owner, expires (us; negative once the lease was given back, then), ttl (ms), returns (1: it was given back
-- while there were standbys, or by an owner that only lost its connection), patterns (of the plain channels by which places are counted), id
-- and number (everything up to this place is recorded), count (of plain PUBLISHes at that place, see publishes.lua), awaited (us; since when a
-- gateway that has not received everything waits for one that has, see functions/lease.lua).

local function comes_after(id, number, other_id, other_number)
  return id > other_id or (id == other_id and number > other_number)
end

-- Whether the count was made in this life of the server: only then may it be compared with counts of now.
local function is_of_life(clock, count)
  return string.sub(count, 1, #clock.life) == clock.life
end

-- Whether the recorder's key holds what it should. `stored` begins with owner, expires, id and number.
local function is_whole_recorder(stored)
  if stored.err then
    return not is_mistyped(RECORDER, 'hash') and error(stored)
  end
  if not (stored[1] or stored[2] or stored[3] or stored[4]) then
    return not redis.call('HGET', CLOCK, 'recorder')
  end
  return stored[1] and string.find(stored[2] or '', '^-?%d+$') and whole(stored[3]) and whole(stored[4])
end

-- The recorder as a table, made of the fields in the order in which read_recorder reads them.
local function recorder_of(clock, stored)
  local expires, count, returns = tonumber(stored[2] or 0), stored[6] or '', stored[7] == '1'
  local free = expires < clock.now
  -- A lease that ends later than its length allows is from before the clock was set back, and is not waited for.
  if math.abs(expires) > clock.now + (whole(stored[8]) or 60000) * 1000 then
    free, expires = true, expires > 0 and clock.now or -clock.now
  end
  -- If the lease was given back for good, no gateway ran any more that could have received what was left of that life of the server: only
  -- what this life has counted may have been missed. In every other case the counts of two lives are not compared.
  local is_given_back = expires <= 0 and not returns
  if is_given_back and not is_of_life(clock, count) then
    count = no_publishes(clock)
  end
  local id, number = tonumber(stored[3] or -1), tonumber(stored[4] or 0)
  -- A place ahead of every id is of a branch that has ended, or somebody made it up. So nothing is known to be recorded.
  if id > clock.last then
    id, number = 0, 0
  end
  return {
    owner = stored[1], expires = expires, free = free, id = id, number = number, patterns = stored[5], count = count,
    awaited = tonumber(stored[9]) or 0,
  }
end

-- Answers the recorder, or `nil` if its key is lost or damaged (see forget_recorder). If there never was one, it has no owner and is free.
local function read_recorder(clock)
  local stored = redis.pcall('HMGET', RECORDER, 'owner', 'expires', 'id', 'number', 'patterns', 'count', 'returns', 'ttl',
    'awaited')
  if not is_whole_recorder(stored) then
    return nil
  end
  return recorder_of(clock, stored)
end

-- Deletes what is left of a lost recorder, and writes a gap, because nobody knows any more up to which place everything is recorded.
-- Answers the recorder, as if there had never been one.
local function forget_recorder(clock)
  require_gaps()
  require_permission('DEL', RECORDER)
  require_permission('HDEL', CLOCK)
  redis.call('DEL', RECORDER)
  redis.call('HDEL', CLOCK, 'recorder')
  local from = clock.last
  local gap = write_gap('unrecorded', from, next_id(clock))
  publish_gap(clock, gap)
  save_clock(clock)
  return recorder_of(clock, {})
end

-- Whether a plain PUBLISH may still be waiting to be recorded. After a minute without an owner, no gateway is about to record.
local function is_recording(clock, recorder)
  return recorder.id >= 0 and math.abs(recorder.expires) + 60000000 > clock.now
end
