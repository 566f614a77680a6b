-- FCALL sisyphus_lease 0 <me> <ttl, ms> <patterns> <from id> <from count> <id> <number> <count> <wanted> <again or '-'>
--   ->  [role, id, number, 1 if somebody has it whose time has not run out, patterns, wanted patterns or '-']
-- <patterns>: by which I count places. Answered are those by which they are counted now, and those that gateways ask for.
-- <from …>: where I began to listen. <id> <number> <count>: up to where I, the owner, have recorded everything; else 0 0 0.
-- wanted: `ask` (whether one more should listen: `room` or `spare`), `keep` (renew, or take what has run out), `release` (the
-- owner gives it back, having recorded all it has heard; `again`: it has lost its connection, and will be back), `leave` (a
-- standby goes).
-- role: `leader`, `standby`, `uncovered` (it is to be had, but others may have heard more), `spare` (two others stand by already).
-- Who takes it is covered if it has listened since before the last recorded place, or if there was no plain PUBLISH
-- between that place and its beginning. Who is not has missed some, or may have: a hole is written for every reader, whoever had
-- it before, and however that one ended.
-- So long a gateway that would need a hole waits for one that needs none (us). Both ask every 250 ms, unless Redis has just refused
-- them for a while, as a replica does, or one that cannot save.
local WAIT_FOR_OTHERS = 700000
-- What was asked longer ago says nothing of now (us).
local ASKED_LATELY = 10000000

-- Whether a gateway that has heard everything since the last recorded place may still ask for the lease, which has run out.
local function may_come(clock, recorder)
  if recorder.is_given_back then
    return false
  end
  local waited = clock.now - recorder.awaited
  if waited < 0 or waited > ASKED_LATELY then
    redis.call('HSET', RECORDER, 'awaited', digits(clock.now))
    return true
  end
  return waited < WAIT_FOR_OTHERS
end

define('lease', { 'allow-oom' }, function(args)
  local me, ttl, patterns = args[1], tonumber(args[2]), args[3]
  local from, from_count, id, number = tonumber(args[4]), args[5], tonumber(args[6]), tonumber(args[7])
  local wanted, again = args[9], args[10] == 'again'
  require_gaps()
  require_permission('HSET', RECORDER)
  require_permission('PUBLISH', TOPIC .. '@recorder')
  require_permissions(CLOCK, { 'HGET', 'HSET', 'HINCRBY' })
  require_permissions(STANDBYS, { 'ZADD', 'ZREM', 'ZREMRANGEBYSCORE', 'ZCARD', 'ZSCORE', 'DEL' })
  local clock = read_clock()
  local recorder = read_recorder(clock)
  tidy_standbys(clock)
  local mine = recorder.owner == me
  if mine and id > 0 and id <= clock.last and not comes_after(recorder.id, recorder.number, id, number) then
    recorder.id, recorder.number = id, number
    redis.call('HSET', RECORDER, 'id', args[6], 'number', args[7], 'count', args[8])
  end
  local function answer(role)
    local held = (role == 'leader' or not recorder.free) and 1 or 0
    local asked = redis.call('HGET', CLOCK, 'wanted') or '-'
    return { role, digits(recorder.id), recorder.number, held, recorder.patterns or '', asked }
  end
  if wanted == 'release' or wanted == 'leave' then
    redis.call('ZREM', STANDBYS, me)
    -- Who has been cut off while it asked for the lease leaves without knowing that it has it, and it runs out.
    if mine and wanted == 'release' then
      -- Who stands by goes on hearing.
      local is_heard = again or redis.call('ZCARD', STANDBYS) > 0
      redis.call('HSET', RECORDER, 'expires', digits(-clock.now), 'returns', is_heard and 1 or 0)
      if not is_of_life(clock, recorder.count) then
        -- Its connection has ended with the earlier life of the server, and it has recorded all of that.
        redis.call('HSET', RECORDER, 'count', no_publishes(clock))
      end
      say(clock, TOPIC .. '@recorder', 'released')
      save(clock)
    end
    return answer('spare')
  end
  redis.call('ZREMRANGEBYSCORE', STANDBYS, '-inf', clock.now)
  redis.call('ZREMRANGEBYSCORE', STANDBYS, '(' .. digits(clock.now + ttl * 1000), '+inf')
  if wanted == 'ask' then
    return answer((recorder.free or redis.call('ZCARD', STANDBYS) < 2) and 'room' or 'spare')
  end
  if not mine and not recorder.free then
    if not redis.call('ZSCORE', STANDBYS, me) and redis.call('ZCARD', STANDBYS) >= 2 then
      return answer('spare')
    end
    redis.call('ZADD', STANDBYS, digits(clock.now + ttl * 1000), me)
    return answer('standby')
  end
  redis.call('ZREM', STANDBYS, me)
  -- Where nobody has ever recorded there is nothing that I could have missed.
  local heard_all = recorder.id < 0 or (recorder.id >= from and recorder.patterns == patterns)
  local covered = mine or heard_all or recorder.count == from_count
  if not covered and (redis.call('ZCARD', STANDBYS) > 0 or may_come(clock, recorder)) then
    return answer('uncovered')
  end
  if not covered then
    -- Said in its place in the order: a reader that has had what follows would not be told any more.
    say_gap(clock, write_gap('unrecorded', recorder.id, next_id(clock)))
    save(clock)
  end
  if comes_after(from, 0, recorder.id, recorder.number) then
    recorder.id, recorder.number = from, 0
    redis.call('HSET', RECORDER, 'count', from_count)
  end
  if not mine and recorder.patterns ~= patterns then
    recorder.patterns = patterns
    redis.call('HINCRBY', CLOCK, 'settings', 1)
  end
  redis.call('HSET', RECORDER, 'owner', me, 'expires', digits(clock.now + ttl * 1000), 'ttl', ttl, 'id',
    digits(recorder.id), 'number', recorder.number, 'patterns', recorder.patterns or patterns, 'awaited', 0)
  redis.call('HSET', CLOCK, 'recorder', 1)
  return answer('leader')
end)
