-- The recorder's lease, its fence and its record. A plain PUBLISH has no id of its own; what names it is its place:
-- the last id recorded before it, and its number behind that id (1, 2, …). Everybody who hears all plain PUBLISHes and
-- all envelopes on one connection counts the same places, so a place is recorded once, whoever records it.
-- Its state is read by read_recorder.

local function comes_after(id, number, other_id, other_number)
  return id > other_id or (id == other_id and number > other_number)
end

-- FCALL sisyphus_anchor 0 <gateway>  ->  id
-- Gives out an id that no message has, so that a gateway which has just begun to listen knows the place it is at:
-- `<id> <gateway> <plain PUBLISHes so far>` on the topic `@anchor`.
redis.register_function({
  function_name = 'sisyphus_anchor',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    local clock = read_clock()
    local id = digits(next_id(clock))
    say(clock, TOPIC .. '@anchor', id .. ' ' .. args[1] .. ' ' .. plain_publishes(clock))
    save(clock)
    return id
  end,
})

-- FCALL sisyphus_lease 0 <me> <ttl, ms> <patterns> <from id> <from count> <id> <number> <count> <wanted> <again or '-'>
--   ->  [role, id, number]
-- <from …>: where I began to listen. <id> <number> <count>: up to where I, the owner, have recorded everything; else 0 0 0.
-- wanted: `ask` (whether one more should listen: `room` or `spare`), `keep` (renew, or take what has run out), `release` (the
-- owner gives it back, having recorded all it has heard; `again`: it will be back), `leave` (a standby goes).
-- role: `leader`, `standby`, `uncovered` (it has run out, but others that stand by may have heard more), `spare` (two
-- others stand by already).
-- Who takes it is covered if it has listened since before the last recorded place, or if there was no plain PUBLISH
-- between that place and its beginning. Who is not may have missed some: a hole is written for every reader, unless
-- nobody ran in between (given back by one that does not return, and I do not come `again`: after a lost connection, or
-- from where I was not needed).
redis.register_function({
  function_name = 'sisyphus_lease',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    local me, ttl, patterns = args[1], tonumber(args[2]), args[3]
    local from, from_count, id, number = tonumber(args[4]), args[5], tonumber(args[6]), tonumber(args[7])
    local wanted, again = args[9], args[10] == 'again'
    local clock = read_clock()
    local recorder = read_recorder(clock)
    local mine = recorder.owner == me
    if mine and id > 0 and not comes_after(recorder.id, recorder.number, id, number) then
      recorder.id, recorder.number = id, number
      redis.call('HSET', RECORDER, 'id', args[6], 'number', args[7], 'count', args[8])
    end
    local function answer(role)
      return { role, digits(recorder.id), recorder.number }
    end
    if wanted == 'release' or wanted == 'leave' then
      redis.call('ZREM', STANDBYS, me)
      -- Who has been cut off while it asked for the lease leaves without knowing that it has it, and it runs out.
      if mine and wanted == 'release' then
        redis.call('HSET', RECORDER, 'expires', digits(-clock.now), 'returns', again and 1 or 0)
        say(clock, TOPIC .. '@recorder', 'released')
        save(clock)
      end
      return answer('spare')
    end
    redis.call('ZREMRANGEBYSCORE', STANDBYS, '-inf', clock.now)
    local free = recorder.expires < clock.now
    if wanted == 'ask' then
      return answer((free or redis.call('ZCARD', STANDBYS) < 2) and 'room' or 'spare')
    end
    if not mine and not free then
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
    if not covered and redis.call('ZCARD', STANDBYS) > 0 then
      return answer('uncovered')
    end
    if not covered and (recorder.expires > 0 or recorder.returns or again) then
      -- Said in its place in the order: a reader that has had what follows would not be told any more.
      say(clock, TOPIC .. '@gap', write_gap('unrecorded', recorder.id, next_id(clock)))
      save(clock)
    end
    if comes_after(from, 0, recorder.id, recorder.number) then
      recorder.id, recorder.number = from, 0
      redis.call('HSET', RECORDER, 'count', from_count)
    end
    redis.call('HSET', RECORDER, 'owner', me, 'expires', digits(clock.now + ttl * 1000), 'id', digits(recorder.id),
      'number', recorder.number, 'patterns', patterns)
    return answer('leader')
  end,
})

-- FCALL sisyphus_record 0 <me> <count> (<id> <number> <channel> <data>)*  ->  [recorded, skipped, failed channel, error, …]
-- <count>: with the last of them. Refused with FENCED unless I am the owner. Places that are recorded already are skipped:
-- sending a batch again when its answer was lost is safe. One channel that fails (wrong type) does not stop the others.
redis.register_function('sisyphus_record', function(keys, args)
  local clock = read_clock()
  local recorder = read_recorder(clock)
  if recorder.owner ~= args[1] then
    return redis.error_reply('FENCED another gateway records now')
  end
  local answer = { 0, 0 }
  for i = 3, #args, 4 do
    local id, number, channel, data = tonumber(args[i]), tonumber(args[i + 1]), args[i + 2], args[i + 3]
    if comes_after(id, number, recorder.id, recorder.number) then
      recorder.id, recorder.number = id, number
      local oversize = #data > clock.max
      local recorded, problem = append(clock, channel, oversize and '' or data, {
        plain = args[i] .. '.' .. args[i + 1],
        oversize = oversize,
      })
      if recorded then
        answer[1] = answer[1] + 1
      else
        answer[#answer + 1] = channel
        answer[#answer + 1] = problem.err
      end
    else
      answer[2] = answer[2] + 1
    end
  end
  save(clock)
  redis.call('HSET', RECORDER, 'id', digits(recorder.id), 'number', recorder.number, 'count', args[2])
  return answer
end)

-- FCALL_RO sisyphus_version 0  ->  the number of this library; a gateway loads its own where it finds a lower one.
redis.register_function({
  function_name = 'sisyphus_version',
  flags = { 'no-writes', 'allow-stale', 'allow-oom' },
  callback = function()
    return 4
  end,
})
