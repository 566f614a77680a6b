-- The order of ids, and the life of the store.

-- Every PUBLISH of the library but that of a new life goes through here and is counted: see plain_publishes.
local function say(clock, topic, text)
  clock.said = clock.said + 1
  redis.call('PUBLISH', topic, text)
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

local function save(clock)
  redis.call('HSET', CLOCK, 'last', digits(clock.last), 'said', digits(clock.said))
end

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
  local stored = redis.call('HMGET', CLOCK, 'last', 'born', 'replid', 'length', 'ttl', 'rules', 'max', 'said')
  local time = redis.call('TIME')
  local clock = {
    now = tonumber(time[1]) * 1000000 + tonumber(time[2]),
    last = tonumber(stored[1] or nil),
    born = stored[2],
    length = tonumber(stored[4] or 100),
    ttl = tonumber(stored[5] or 86400000),
    rules = stored[6] or '',
    max = tonumber(stored[7] or 262144),
    said = tonumber(stored[8] or 0),
  }
  local replid = replication_id(clock.now)
  clock.life = string.sub(replid, 1, 8)
  if not clock.last then
    clock.last = clock.now
    clock.born = digits(clock.now)
    -- Before anything of this life: who has heard of the one before must not take what comes for its continuation. Where the
    -- ACL denies it to a publisher, it is not counted, and gateways find the new life with their next mark.
    redis.pcall('PUBLISH', TOPIC .. '@gap', 'born ' .. clock.born)
    clock.said = publish_calls()
    redis.call('HSET', CLOCK, 'last', clock.born, 'born', clock.born, 'replid', replid, 'said', digits(clock.said))
  elseif stored[3] ~= replid then
    local ended = clock.last
    redis.call('HSET', CLOCK, 'replid', replid)
    -- A server that has started since the last id has only counted plain PUBLISHes yet; a replica that was promoted has
    -- counted with its master.
    local uptime = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)') or 0)
    clock.said = clock.now - ended > uptime * 1000000 and 0 or publish_calls()
    write_gap('forked', ended, next_id(clock))
    save(clock)
    -- What they stood by on has ended too.
    redis.call('DEL', STANDBYS)
  end
  return clock
end
