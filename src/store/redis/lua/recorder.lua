-- The recorder's lease, its fence and its record. A plain PUBLISH has no id of its own; what names it is its place:
-- the last id recorded before it, and its number behind that id (1, 2, …). Everybody who hears all plain PUBLISHes and
-- all envelopes on one connection counts the same places, so a place is recorded once, whoever records it.

local function comes_after(id, number, other_id, other_number)
  return id > other_id or (id == other_id and number > other_number)
end

-- `sisyphus:{0}:recorder`: owner, expires (us; negative: given back then), returns (1: by one that only lost its connection),
-- patterns, id and number (everything up to this place is recorded), count (how many plain PUBLISHes there had been at
-- that place, see plain_publishes).
local function read_recorder(clock)
  local stored = redis.call('HMGET', RECORDER, 'owner', 'expires', 'id', 'number', 'patterns', 'count', 'returns')
  local expires, count = tonumber(stored[2] or 0), stored[6] or ''
  -- Given back means that all of it was recorded that was heard in an earlier life: in this one counting begins anew.
  if expires <= 0 and string.sub(count, 1, #clock.life) ~= clock.life then
    count = clock.life .. ':0'
  end
  return {
    owner = stored[1],
    expires = expires,
    id = tonumber(stored[3] or -1),
    number = tonumber(stored[4] or 0),
    patterns = stored[5],
    count = count,
    returns = stored[7] == '1',
  }
end
