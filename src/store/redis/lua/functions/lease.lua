-- FCALL sisyphus_lease 1 <key> <me> <ttl> <patterns> <from id> <from count> <id> <number> <count> <wanted> <again or '-'>
-- Takes, renews or gives back the recorder's lease, or stands by for it.
-- Keys: the clock, the recorder, the standbys, the gaps.
-- Arguments: the name of the gateway; how long the lease lasts (ms); the patterns by which it counts places; the last id and the count of
--   plain PUBLISHes when it began to listen; up to which place it has recorded everything, as the owner, and the count there (else 0 0 0).
--   wanted: `ask` (whether one more gateway should listen), `keep` (renew the lease, or take it if it has run out), `release` (the owner
--   gives it back after it has recorded all that it received; `again`: it only lost its connection, and will be back), `leave` (a standby
--   goes).
-- Result: [role, id, number, 1 if a lease is in force, patterns by which places are counted now, patterns that gateways ask for or '-']
--   role: `leader`, `standby`, `spare` (there are two standbys already), `uncovered` (the lease is free, but another gateway may have
--   received more), and, if it was asked, `room` or `spare`.
-- Errors: only those of every function.
--
-- Invariant: a gateway that takes the lease is covered if it has listened since before the last recorded place, or if there was no plain
-- PUBLISH between that place and the beginning of its listening. If it is not covered it has missed some, or may have: then a gap is written,
-- for every reader, whoever owned the lease before and however that ended.

-- A gateway that would need a gap waits for one that needs none, for so long (us). Both ask every 250 ms, but ask later if Redis has refused
-- writes for a while, as a replica does, or a server that cannot save.
local WAIT_FOR_OTHERS = 700000
-- A wait that began longer ago than this (us) is an earlier one.
local ASKED_LATELY = 10000000

local function require_lease()
  require_gaps()
  require_permission('HSET', RECORDER)
  require_permission('PUBLISH', TOPIC .. '@recorder')
  require_permissions(CLOCK, { 'HGET', 'HSET', 'HINCRBY' })
  require_permissions(STANDBYS, { 'ZADD', 'ZREM', 'ZREMRANGEBYSCORE', 'ZCARD', 'ZSCORE', 'DEL' })
end

-- Removes standbys whose time ends more than an hour from now, because no lease is that long; deletes the key if it has another type.
local function repair_standbys(clock)
  local removed = redis.pcall('ZREMRANGEBYSCORE', STANDBYS, digits(clock.now + 3600000000), '+inf')
  if type(removed) ~= 'number' and is_mistyped(STANDBYS, 'zset') then
    redis.call('DEL', STANDBYS)
  end
end

-- Removes the standbys whose time has run out, and those from before the clock was set back.
local function remove_expired_standbys(clock, ttl)
  redis.call('ZREMRANGEBYSCORE', STANDBYS, '-inf', clock.now)
  redis.call('ZREMRANGEBYSCORE', STANDBYS, '(' .. digits(clock.now + ttl * 1000), '+inf')
end

-- Stores the place up to which the owner says that it has recorded everything, if that is later than the one that is known.
local function store_place(clock, recorder, caller)
  local id, number = tonumber(caller.id), tonumber(caller.number)
  if id > 0 and id <= clock.last and not comes_after(recorder.id, recorder.number, id, number) then
    recorder.id, recorder.number = id, number
    redis.call('HSET', RECORDER, 'id', caller.id, 'number', caller.number, 'count', caller.count)
  end
end

-- Gives back the lease of the caller, which is its owner.
local function release(clock, recorder, again)
  -- Standbys go on listening, and so does an owner that comes back.
  local is_heard = again or redis.call('ZCARD', STANDBYS) > 0
  redis.call('HSET', RECORDER, 'expires', digits(-clock.now), 'returns', is_heard and 1 or 0)
  if not is_of_life(clock, recorder.count) then
    -- The owner's connection ended with the earlier life of the server, and the owner has recorded all of that.
    redis.call('HSET', RECORDER, 'count', no_publishes(clock))
  end
  publish(clock, TOPIC .. '@recorder', 'released')
  save_clock(clock)
end

-- Makes the caller a standby, because another gateway owns the lease; there are two at most. Answers the role.
local function stand_by(clock, caller)
  if not redis.call('ZSCORE', STANDBYS, caller.name) and redis.call('ZCARD', STANDBYS) >= 2 then
    return 'spare'
  end
  redis.call('ZADD', STANDBYS, digits(clock.now + caller.ttl * 1000), caller.name)
  return 'standby'
end

-- Whether a gateway that has received everything since the last recorded place may still ask for the lease. Not if it was given back:
-- then those that stood by have asked already, and everybody else would wait in vain for messages to be recorded.
local function may_come(clock, recorder)
  if recorder.expires <= 0 then
    return false
  end
  local waited = clock.now - recorder.awaited
  if waited < 0 or waited > ASKED_LATELY then
    redis.call('HSET', RECORDER, 'awaited', digits(clock.now))
    return true
  end
  return waited < WAIT_FOR_OTHERS
end

-- Renews the lease of the caller, or takes the lease if it has run out or was given back. Answers the role.
local function take_lease(clock, recorder, caller)
  local mine, from, patterns = caller.is_owner, caller.from, caller.patterns
  redis.call('ZREM', STANDBYS, caller.name)
  -- If nothing has ever been recorded, there is nothing that the caller could have missed.
  local heard_all = recorder.id < 0 or (recorder.id >= from and recorder.patterns == patterns)
  local covered = mine or heard_all or recorder.count == caller.from_count
  if not covered and (redis.call('ZCARD', STANDBYS) > 0 or may_come(clock, recorder)) then
    return 'uncovered'
  end
  if not covered then
    -- The gap is published at its place in the order. A reader that already has a message from behind it would not be told any more.
    publish_gap(clock, write_gap('unrecorded', recorder.id, next_id(clock)))
    save_clock(clock)
  end
  if comes_after(from, 0, recorder.id, recorder.number) then
    recorder.id, recorder.number = from, 0
    redis.call('HSET', RECORDER, 'count', caller.from_count)
  end
  if not mine and recorder.patterns ~= patterns then
    recorder.patterns = patterns
    redis.call('HINCRBY', CLOCK, 'settings', 1)
  end
  redis.call('HSET', RECORDER, 'owner', caller.name, 'expires', digits(clock.now + caller.ttl * 1000), 'ttl', caller.ttl, 'id',
    digits(recorder.id), 'number', recorder.number, 'patterns', recorder.patterns or patterns, 'awaited', 0)
  redis.call('HSET', CLOCK, 'recorder', 1)
  return 'leader'
end

-- Does what the caller wants, and answers its role.
local function role_for(clock, recorder, caller, wanted)
  if wanted == 'release' or wanted == 'leave' then
    redis.call('ZREM', STANDBYS, caller.name)
    -- A gateway that was cut off while it asked for the lease leaves without knowing that it owns the lease, which then runs out.
    if caller.is_owner and wanted == 'release' then
      release(clock, recorder, caller.again)
    end
    return 'spare'
  end
  remove_expired_standbys(clock, caller.ttl)
  if wanted == 'ask' then
    return (recorder.free or redis.call('ZCARD', STANDBYS) < 2) and 'room' or 'spare'
  end
  if not caller.is_owner and not recorder.free then
    return stand_by(clock, caller)
  end
  return take_lease(clock, recorder, caller)
end

define('lease', { 'allow-oom' }, function(args)
  local caller = {
    name = args[1], ttl = tonumber(args[2]), patterns = args[3],
    from = tonumber(args[4]), from_count = args[5],
    id = args[6], number = args[7], count = args[8], again = args[10] == 'again',
  }
  require_lease()
  local clock = read_clock()
  begin_if_due(clock)
  local recorder = read_recorder(clock) or forget_recorder(clock)
  repair_standbys(clock)
  caller.is_owner = recorder.owner == caller.name
  if caller.is_owner then
    store_place(clock, recorder, caller)
  end
  local role = role_for(clock, recorder, caller, args[9])
  local in_force = (role == 'leader' or not recorder.free) and 1 or 0
  local asked = redis.call('HGET', CLOCK, 'wanted') or '-'
  return { role, digits(recorder.id), recorder.number, in_force, recorder.patterns or '', asked }
end)
