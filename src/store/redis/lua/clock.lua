-- The order of ids, and the life of the store.

-- How many PUBLISHes the library has made since it was loaded, for any installation on this server, and how many of them
-- the clock of each installation had counted when it was stored last, by its `born`.
local said_by_all, said_counted = 0, {}

-- Every PUBLISH of the library but that of a new life goes through here and is counted: see plain_publishes.
local function say(clock, topic, text)
  redis.call('PUBLISH', topic, text)
  clock.said = clock.said + 1
  said_by_all = said_by_all + 1
end

-- The PUBLISHes that the server has counted, and a word for since when: CONFIG RESETSTAT counts itself, and the time it took.
local function publish_calls()
  local info = redis.call('INFO', 'commandstats')
  local since = string.match(info, 'cmdstat_config|resetstat:calls=%d+,usec=(%d+)')
  return tonumber(string.match(info, 'cmdstat_publish:calls=(%d+)') or 0), since or '0'
end

-- How many PUBLISHes there have been that this library did not make, in this life of the server (25 us):
-- `<life>.<since>:<number>`. Who has heard as many between two moments has missed none.
local function plain_publishes(clock)
  local calls, since = publish_calls()
  return clock.life .. '.' .. since .. ':' .. digits(calls - clock.said)
end

-- As the counting of this life began.
local function no_publishes(clock)
  return clock.life .. '.' .. clock.since .. ':0'
end

-- Plain PUBLISHes are counted from here on, in a new life of the server; `missed` of them have been made before, and nobody
-- has heard them.
local function count_anew(clock, replid, missed)
  local calls, since = publish_calls()
  clock.life, clock.since, clock.said = string.sub(replid, 1, 8), since, calls - missed
  said_counted[clock.born] = said_by_all
  redis.call('HSET', CLOCK, 'life', clock.life, 'since', since, 'said', digits(clock.said))
end

-- id = max(previous + 1, Redis clock in microseconds): strictly rising, also when the clock is set back.
local function next_id(clock)
  clock.last = math.max(clock.last + 1, clock.now)
  return clock.last
end

local function save(clock)
  said_counted[clock.born] = said_by_all
  redis.call('HSET', CLOCK, 'last', digits(clock.last), 'said', digits(clock.said))
end

-- What the server had counted when the library was first called under its replication id, by any installation.
-- `predecessor`: the id of the server whose history this one goes on with: a replica that was promoted does, and a master that
-- has loaded an RDB with its own id in it. `missed`: plain PUBLISHes since then, at least; 29 bytes is the shortest one.
local function arrive(info)
  local calls = publish_calls()
  local offset = tonumber(string.match(info, 'master_repl_offset:(%d+)'))
  local written = offset + 1 - tonumber(string.match(info, 'second_repl_offset:(-?%d+)'))
  return {
    predecessor = string.match(info, 'master_replid2:(%x+)'),
    calls = calls,
    said = said_by_all,
    missed = written >= 29 and math.min(calls, 1) or 0,
  }
end

-- Changes where the server starts again, and where it is promoted. It is read again after 20 ms, which spares 2.5 of 23 us a
-- message: a server that is promoted has run no function for longer than that.
local replid, replid_until, arrival = nil, 0, nil
local function replication_id(now)
  if now > replid_until or now < replid_until - 20000 then
    local info = redis.call('INFO', 'replication')
    local id = string.match(info, 'master_replid:(%x+)')
    if id ~= replid then
      replid, arrival = id, arrive(info)
    end
    replid_until = now + 20000
  end
  return replid
end

-- Differs for each process.
local run
local function run_id()
  run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run
end

-- How many plain PUBLISHes, at least, this server has counted that nobody can have heard, because it is not the one whose
-- replication id was `before`. One that has started again has counted nothing else; one that goes on with the history of
-- `before` has counted what it was sent as a replica, too.
local function missed_since(before)
  local calls = publish_calls()
  if arrival.predecessor ~= before then
    return calls - said_by_all
  end
  return arrival.missed + calls - arrival.calls - (said_by_all - arrival.said)
end

-- Where the ACL denies it to the caller, gateways find the gap with their next mark.
local function say_gap(clock, gap)
  if redis.acl_check_cmd('PUBLISH', TOPIC .. '@gap', gap) then
    say(clock, TOPIC .. '@gap', gap)
  end
end

local function require_gaps()
  require_permissions(GAPS, { 'LRANGE', 'DEL', 'RPUSH' })
  require_permission('HSET', CLOCK)
end

-- What was given out after the clock's last id, and before this one, is lost.
local function fork(clock, to)
  require_gaps()
  local gap = write_gap('forked', clock.last, to, was_heard(clock.last) and '?' or '-')
  clock.last = to
  say_gap(clock, gap)
  save(clock)
end

-- Whoever has a position from before this life is told, whatever else there was.
local begin_life

-- The clock goes on under another replication id. Where that is another server, what the old one gave out after the last id that
-- this one has is lost, and positions between the two are of a branch that no longer exists.
local function succeed(clock, before)
  require_gaps()
  require_permission('DEL', STANDBYS)
  require_permission('INFO', 'commandstats')
  if is_mistyped(GAPS, 'list') then
    return begin_life(clock)
  end
  local same_run = redis.call('HGET', CLOCK, 'run') == run_id()
  redis.call('HSET', CLOCK, 'replid', replid, 'run', run_id())
  -- A master takes a new id, and forgets the old one, where it has had no replica for `repl-backlog-ttl`: nothing has happened.
  if same_run and not string.find(arrival.predecessor, '[^0]') then
    return
  end
  count_anew(clock, replid, missed_since(before))
  fork(clock, math.max(clock.last + 1, clock.now))
  -- What they stood by on has ended too.
  redis.call('DEL', STANDBYS)
end

-- A function cannot ask for the number of its database. But a key that does not exist is moved to no other, and Redis refuses to move
-- it to its own, which changes nothing either way. `false` where there is no MOVE (a Cluster has but one database): a gateway will tell.
local function own_database()
  for number = 0, 100000 do
    local answer = redis.pcall('MOVE', PREFIX .. 'nowhere', number)
    if type(answer) == 'table' then
      if is_denied(answer.err) then
        error(answer)
      end
      return string.find(answer.err, 'objects are the same', 1, true) and digits(number) or false
    end
  end
  return false
end

-- By installation and database: the prefix that a gateway has configured. A life may begin with a grant, which needs it before a
-- gateway can configure the store again.
local prefixes = {}

local function use_stored_settings(clock, database, prefix)
  local known = database and string.find(database, '^%d+$') and database
  clock.database = known or (clock.begins == 'life' and own_database())
  clock.prefix = prefix or prefixes[KEY .. (clock.database or '')] or false
  use_settings(clock.database, clock.prefix)
end

function begin_life(clock)
  require_permissions(CLOCK, { 'HSET', 'HDEL', 'DEL' })
  require_permission('DEL', GAPS)
  require_permission('INFO', 'commandstats')
  if clock.is_mistyped then
    redis.call('DEL', CLOCK)
  end
  redis.call('DEL', GAPS)
  redis.call('HDEL', CLOCK, 'gap', 'recorder')
  -- Before anything of this life: who has heard of the one before must not take what comes for its continuation. Where the
  -- ACL denies it to a publisher, it is not counted, and gateways find the new life with their next mark.
  if type(redis.pcall('PUBLISH', TOPIC .. '@gap', 'born ' .. clock.born)) == 'number' then
    said_by_all = said_by_all + 1
  end
  count_anew(clock, replid, 0)
  redis.call('HSET', CLOCK, 'last', clock.born, 'born', clock.born, 'replid', replid, 'run', run_id())
  if clock.database then
    redis.call('HSET', CLOCK, 'database', clock.database)
  end
  if clock.prefix then
    redis.call('HSET', CLOCK, 'prefix', clock.prefix)
  end
end

-- What look_at_clock found has to come before anything that a function changes.
local function begin(clock)
  if clock.begins == 'life' then
    begin_life(clock)
  elseif clock.begins == 'branch' then
    succeed(clock, clock.before)
  end
  clock.begins = nil
end

-- So far (us) may ids be ahead of Redis's clock, which may have been set back. Beyond that they are not ours.
local MOST_AHEAD = 86400000000

-- The number that a text is, if it is one of ids, counts and settings, and is exact.
local function whole(text)
  local number = text and #text <= 16 and string.find(text, '^%d+$') and tonumber(text)
  return number and number < 9007199254740990 and number or nil
end

local MOST_TTL = 1000000000000

local function setting(text, most, default)
  local number = whole(text)
  return number and number >= 1 and number <= most and number or default
end

-- Whether a clock is there with all that it goes by.
local function is_whole(clock, replid_then)
  local born = whole(clock.born)
  return clock.last and born and clock.said and born <= clock.last and clock.last <= clock.now + MOST_AHEAD
    and replid_then and string.find(replid_then, '^%x+$') and string.find(clock.life .. clock.since, '^%w+$')
end

-- The clock, and what the gateways have configured; changes nothing, see `begin`. A store without one begins a new life (`born`),
-- and so does one that has lost a part of it.
local function look_at_clock()
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'replid', 'length', 'ttl', 'rules', 'max', 'said', 'life', 'since',
    'database', 'prefix', 'raised')
  if stored.err and not is_mistyped(CLOCK, 'hash') then
    error(stored)
  end
  local time = redis.call('TIME')
  local clock = {
    now = tonumber(time[1]) * 1000000 + tonumber(time[2]),
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
  local replid = replication_id(clock.now)
  clock.life = stored[9] or string.sub(stored[3] or replid, 1, 8)
  if not is_whole(clock, stored[3]) then
    clock.begins = 'life'
    clock.last, clock.born, clock.said = clock.now, digits(clock.now), 0
    use_stored_settings(clock, stored[11], stored[12])
    return clock
  end
  use_stored_settings(clock, stored[11], stored[12])
  -- What other installations have published since this one was stored is not plain either. Where the library was loaded anew, that is
  -- all it has published since.
  clock.said = clock.said + said_by_all - (said_counted[clock.born] or 0)
  if stored[3] ~= replid then
    clock.begins, clock.before = 'branch', stored[3]
  end
  return clock
end

local function read_clock()
  local clock = look_at_clock()
  begin(clock)
  return clock
end
