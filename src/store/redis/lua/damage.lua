-- What becomes of the store's own keys where somebody has deleted them, or put something else there.

-- The gaps that were there are not known any more: nor is it, then, what readers have missed.
local function lose(clock)
  clock.last = math.max(clock.last + 1, clock.now)
  clock.born = digits(clock.last)
  begin_life(clock)
end

-- The gaps; begins a new life where they are lost.
local function read_gaps(clock)
  local gaps = redis.pcall('LRANGE', GAPS, 0, -1)
  if gaps.err and not is_mistyped(GAPS, 'list') then
    error(gaps)
  end
  if gaps.err or (#gaps == 0 and redis.call('HGET', CLOCK, 'gap')) then
    lose(clock)
    return {}
  end
  return gaps
end

-- Whether this is what the recorder's key may hold; `stored` begins with owner, expires, id and number.
local function is_recorder_whole(stored)
  if stored.err then
    return not is_mistyped(RECORDER, 'hash') and error(stored)
  end
  if not (stored[1] or stored[2] or stored[3] or stored[4]) then
    return not redis.call('HGET', CLOCK, 'recorder')
  end
  return stored[1] and string.find(stored[2] or '', '^-?%d+$') and whole(stored[3]) and whole(stored[4])
end

-- Nobody knows any more up to where everything is recorded.
local function forget_recorder(clock)
  require_permission('DEL', RECORDER)
  require_permissions(CLOCK, { 'HDEL', 'HSET' })
  require_permissions(GAPS, { 'RPUSH', 'LTRIM' })
  redis.call('DEL', RECORDER)
  redis.call('HDEL', CLOCK, 'recorder')
  local from = clock.last
  local gap = write_gap('unrecorded', from, next_id(clock))
  if redis.acl_check_cmd('PUBLISH', TOPIC .. '@gap', gap) then
    say(clock, TOPIC .. '@gap', gap)
  end
  save(clock)
end

-- Nobody stands by for longer than a lease lasts, and an hour is longer than any.
local function tidy_standbys(clock)
  local removed = redis.pcall('ZREMRANGEBYSCORE', STANDBYS, digits(clock.now + 3600000000), '+inf')
  if type(removed) ~= 'number' and is_mistyped(STANDBYS, 'zset') then
    redis.call('DEL', STANDBYS)
  end
end
