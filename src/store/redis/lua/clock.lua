-- The order of ids, and the life of the store.

-- Redis counts the PUBLISHes of all its databases together, and so does the library: `said_here` is how many it has made since
-- it was loaded into this server, for every installation. `loaded` names that loading.
local said_here, loaded = 0, nil

-- Every PUBLISH of the library but that of a new life goes through here and is counted: see plain_publishes.
local function say(clock, topic, text)
  redis.call('PUBLISH', topic, text)
  clock.said = clock.said + 1
  said_here = said_here + 1
end

-- A hole in the order that no backlog shows: readers whose position lies in it, or before it, are told. Gateways find it
-- with their next mark.
local function write_gap(reason, from, to)
  local gap = reason .. ' ' .. digits(from) .. ' ' .. digits(to)
  redis.call('RPUSH', GAPS, gap)
  redis.call('LTRIM', GAPS, -32, -1)
  return gap
end

local function publish_calls()
  return tonumber(string.match(redis.call('INFO', 'commandstats'), 'cmdstat_publish:calls=(%d+)') or 0)
end

-- How many PUBLISHes there have been that this library did not make, in this life of the server (25 us):
-- `<life>:<number>`. Who has heard as many between two moments has missed none. RESETSTAT between them makes the numbers
-- disagree, which proves nothing.
local function plain_publishes(clock)
  return clock.life .. ':' .. digits(publish_calls() - clock.said)
end

-- id = max(previous + 1, Redis clock in microseconds): strictly rising, also when the clock is set back.
local function next_id(clock)
  clock.last = math.max(clock.last + 1, clock.now)
  return clock.last
end

-- `said` is what this installation counts the library's PUBLISHes from: `offset` more than `said_here`. Where the library was
-- loaded anew, nothing is known of what it has made before but what each installation has stored.
local function said_by_now(stored_said, stored_loaded, offset, clock, replid)
  loaded = loaded or string.sub(replid, 1, 8) .. digits(clock.now)
  if stored_loaded ~= loaded then
    return tonumber(stored_said or 0) + said_here
  end
  clock.offset = tonumber(offset)
  return clock.offset + said_here
end

local function save(clock)
  redis.call('HSET', CLOCK, 'last', digits(clock.last), 'said', digits(clock.said))
  if clock.offset ~= clock.said - said_here then
    redis.call('HSET', CLOCK, 'loaded', loaded, 'offset', digits(clock.said - said_here))
  end
end

local function keys_of_databases()
  local counts = {}
  for database, keys in string.gmatch(redis.call('INFO', 'keyspace'), 'db(%d+):keys=(%d+)') do
    counts[database] = keys
  end
  return counts
end

-- A function cannot ask for the number of its database, but the first key of a store is one more in this one, and in no other.
local function create_clock(...)
  local before = keys_of_databases()
  redis.call('HSET', CLOCK, ...)
  for database, keys in pairs(keys_of_databases()) do
    if keys ~= before[database] then
      redis.call('HSET', CLOCK, 'database', database)
      return database
    end
  end
  return false
end

-- By installation and database: the prefix that a gateway has configured. A life that begins with a grant needs it before a
-- gateway can configure the store again.
local prefixes = {}

-- Changes with every promotion. It is read again after 20 ms, which spares 2.5 of 23 us a message: a server that is promoted
-- has run no function for longer than that.
local replid, replid_until = nil, 0
local function replication_id(now)
  if now > replid_until or now < replid_until - 20000 then
    replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    replid_until = now + 20000
  end
  return replid
end

-- The clock, and what the gateways have configured. A store without one begins a new life here (`born`).
-- Where a replica was promoted, what the old master gave out after the last id that this node has is lost, and positions
-- between the two are of a branch that no longer exists.
local function read_clock()
  local stored = redis.call('HMGET', CLOCK, 'last', 'born', 'replid', 'length', 'ttl', 'rules', 'max', 'said',
    'loaded', 'offset', 'database', 'prefix')
  local time = redis.call('TIME')
  local clock = {
    now = tonumber(time[1]) * 1000000 + tonumber(time[2]),
    last = tonumber(stored[1] or nil),
    born = stored[2],
    length = tonumber(stored[4] or 100),
    ttl = tonumber(stored[5] or 86400000),
    rules = stored[6] or '',
    max = tonumber(stored[7] or 262144),
  }
  local replid = replication_id(clock.now)
  clock.life = string.sub(replid, 1, 8)
  clock.said = said_by_now(stored[8], stored[9], stored[10], clock, replid)
  clock.database = stored[11]
  use_settings(clock.database, stored[12])
  if not clock.last then
    clock.last = clock.now
    clock.born = digits(clock.now)
    local database = create_clock('last', clock.born, 'born', clock.born, 'replid', replid)
    clock.database = clock.database or database
    local prefix = stored[12] or prefixes[KEY .. (clock.database or '')] or false
    if prefix then
      redis.call('HSET', CLOCK, 'prefix', prefix)
    end
    use_settings(clock.database, prefix)
    local calls = publish_calls()
    -- Before anything of this life: who has heard of the one before must not take what comes for its continuation. Where the
    -- ACL denies it to a publisher, it is not counted, and gateways find the new life with their next mark.
    redis.pcall('PUBLISH', TOPIC .. '@gap', 'born ' .. clock.born)
    clock.said, clock.offset = publish_calls(), nil
    said_here = said_here + clock.said - calls
    save(clock)
  elseif stored[3] ~= replid then
    local ended = clock.last
    redis.call('HSET', CLOCK, 'replid', replid)
    -- A server that has started since the last id has counted from its start on, as said_here does; a replica that was promoted
    -- has counted with its master.
    local uptime = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)') or 0)
    clock.said = clock.now - ended > uptime * 1000000 and said_here or publish_calls()
    write_gap('forked', ended, next_id(clock))
    save(clock)
    -- What they stood by on has ended too.
    redis.call('DEL', STANDBYS)
  end
  return clock
end
