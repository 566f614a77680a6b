-- Lives and branches of the store: what begins before a function changes anything else.
--
-- A life lasts as long as the store keeps its clock, and is named by `born`, the id with which it began. Nothing is known of what came
-- before, so all readers with an earlier position are told. A branch begins if the clock goes on under another replication id.

-- Begins the life `clock.born`.
local function begin_life(clock)
  require_permissions(CLOCK, { 'HSET', 'HDEL', 'DEL' })
  require_permission('DEL', GAPS)
  require_permission('INFO', 'commandstats')
  if clock.is_mistyped then
    redis.call('DEL', CLOCK)
  end
  redis.call('DEL', GAPS)
  redis.call('HDEL', CLOCK, 'gap', 'recorder')
  -- This is published before anything of the new life, because gateways must not take that for more of the life before. If the ACL
  -- denies the topic to the caller, nothing is counted, and gateways find the new life with their next mark.
  if type(redis.pcall('PUBLISH', TOPIC .. '@gap', 'born ' .. clock.born)) == 'number' then
    published_by_all = published_by_all + 1
  end
  count_anew(clock, 0)
  redis.call('HSET', CLOCK, 'last', clock.born, 'born', clock.born, 'replid', clock.replid, 'run', run_id())
  if clock.database then
    redis.call('HSET', CLOCK, 'database', clock.database)
  end
  if clock.prefix then
    redis.call('HSET', CLOCK, 'prefix', clock.prefix)
  end
end

-- Begins a life because the gaps are lost, and with them what readers have missed. Answers its gaps: none.
local function begin_life_without_gaps(clock)
  clock.born = digits(next_id(clock))
  begin_life(clock)
  return {}
end

-- Writes a fork: ids that were given out after the clock's last one and before `to` are lost. The clock goes on from `to`.
local function fork(clock, to)
  require_gaps()
  local gap = write_gap('forked', clock.last, to, was_heard(clock.last) and '?' or '-')
  clock.last = to
  redis.call('HSET', CLOCK, 'forked', digits(to))
  publish_gap(clock, gap)
  save_clock(clock)
end

-- Begins a branch: the clock was last written under the replication id `clock.before`. If that was another server, ids that it gave out
-- after the last one here are lost.
local function begin_branch(clock)
  require_gaps()
  require_permission('DEL', STANDBYS)
  require_permission('INFO', 'commandstats')
  if is_mistyped(GAPS, 'list') then
    return begin_life(clock)
  end
  local is_same_run = redis.call('HGET', CLOCK, 'run') == run_id()
  redis.call('HSET', CLOCK, 'replid', clock.replid, 'run', run_id())
  -- A master that has had no replica for `repl-backlog-ttl` takes a new replication id and forgets the old one: nothing is lost.
  if is_same_run and not string.find(arrival.predecessor, '[^0]') then
    return
  end
  count_anew(clock, missed_since(clock.before))
  fork(clock, math.max(clock.last + 1, clock.now))
  -- The connections on which standbys listened have ended with the other server.
  redis.call('DEL', STANDBYS)
end

-- Begins the life or the branch that read_clock has found to be due. A function that writes calls this before its own first write.
local function begin_if_due(clock)
  if clock.begins == 'life' then
    begin_life(clock)
  elseif clock.begins == 'branch' then
    begin_branch(clock)
  end
  clock.begins = nil
end
