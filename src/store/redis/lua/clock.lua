-- The clock: the order of ids, and what is known of the store as a whole. To read it changes nothing in Redis; whatever is then found to
-- begin, life.lua writes.
--
-- `<key>:clock` is a hash, so that one HMGET reads all that a message needs:
--   last                   the last id that was given out
--   born, replid, run      the id with which this life of the store began, and which server has written it (see life.lua)
--   life, since, said      the count of PUBLISHes (see publishes.lua)
--   length, ttl, rules, max, raised, lived, wanted, heard, settings    the settings in force (see settings.lua)
--   database, prefix       the location (see location.lua)
--   disconnected           the id of the last disconnect (see disconnects.lua)
--   collections            the configuration of the collections (see collections.lua)
--   forked                 the id at which the last branch began (see life.lua)
--   gap, recorder          exist once there are gaps, and a recorder: so it is noticed if those keys are lost

-- Ids may be ahead of Redis's clock by this much (us), because it may have been set back. An id further ahead was not given out here.
local MOST_AHEAD = 86400000000

local MOST_TTL = 1000000000000

-- Redis's clock (us).
local function redis_time()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Gives out an id: max(previous + 1, Redis's clock in us), so ids rise even if the clock is set back.
local function next_id(clock)
  clock.last = math.max(clock.last + 1, clock.now)
  return clock.last
end

-- Every function that has given out an id or published anything ends with this.
local function save_clock(clock)
  counted_by_all[clock.born] = published_by_all
  redis.call('HSET', CLOCK, 'last', digits(clock.last), 'said', digits(clock.said))
end

-- Whether the clock has all that the store goes by, and nothing that is impossible. `replid`: as it was stored.
local function is_whole_clock(clock, replid)
  local born = whole(clock.born)
  return clock.last and born and clock.said and born <= clock.last and clock.last <= clock.now + MOST_AHEAD
    and replid and string.find(replid, '^%x+$') and string.find(clock.life .. clock.since, '^%w+$')
end

-- Reads the clock and the settings, and sets the names that depend on the location. `begins`: `life` if the store has no clock or has lost
-- a part of it; `branch` if another replication id (`before`) has written it; or `nil`. See begin_if_due.
local function read_clock()
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'replid', 'length', 'ttl', 'rules', 'max', 'said', 'life', 'since',
    'database', 'prefix', 'raised')
  if stored.err and not is_mistyped(CLOCK, 'hash') then
    error(stored)
  end
  local clock = {
    now = redis_time(),
    last = whole(stored[1]),
    born = stored[2],
    length = setting(stored[4], 1000000, 100),
    ttl = setting(stored[5], MOST_TTL, 86400000),
    rules = stored[6] or '',
    max = setting(stored[7], 1073741824, 262144),
    said = stored[8] and string.find(stored[8], '^-?%d+$') and tonumber(stored[8]) or nil,
    since = stored[10] or '0',
    raised = whole(stored[13]) or 0,
    is_mistyped = stored.err ~= nil,
  }
  clock.replid = replication_id(clock.now)
  clock.life = stored[9] or string.sub(stored[3] or clock.replid, 1, 8)
  if not is_whole_clock(clock, stored[3]) then
    clock.begins = 'life'
    clock.last, clock.born, clock.said = clock.now, digits(clock.now), 0
  else
    -- What other installations have published since this clock was stored is not plain either. If the library was loaded again in
    -- between, that is all that it has published since.
    clock.said = clock.said + published_by_all - (counted_by_all[clock.born] or 0)
    if stored[3] ~= clock.replid then
      clock.begins, clock.before = 'branch', stored[3]
    end
  end
  use_stored_location(clock, stored[11], stored[12])
  return clock
end
