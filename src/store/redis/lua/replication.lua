-- Which server this is, and whose history it goes on with.

-- What this server had counted when the library was first called under its replication id, for any installation.
-- `predecessor`: the replication id whose history it goes on with; a promoted replica has one, and so has a master that loaded an RDB with
-- its own id in it. `missed`: so many plain PUBLISHes, at least, came between the promotion and this call. The shortest one takes 29 bytes.
local function counts_on_arrival(info)
  local calls = publish_calls()
  local offset = tonumber(string.match(info, 'master_repl_offset:(%d+)'))
  local written = offset + 1 - tonumber(string.match(info, 'second_repl_offset:(-?%d+)'))
  return {
    predecessor = string.match(info, 'master_replid2:(%x+)'),
    calls = calls,
    published = published_by_all,
    missed = written >= 29 and math.min(calls, 1) or 0,
  }
end

-- The replication id, which changes if the server starts again or is promoted. It is asked for again after 20 ms only, which spares 2.5 of
-- the 23 us of a message: a server that is being promoted runs no function for longer than that.
local replid, replid_until, arrival = nil, 0, nil
local function replication_id(now)
  if now > replid_until or now < replid_until - 20000 then
    local info = redis.call('INFO', 'replication')
    local id = string.match(info, 'master_replid:(%x+)')
    if id ~= replid then
      replid, arrival = id, counts_on_arrival(info)
    end
    replid_until = now + 20000
  end
  return replid
end

-- The id of this process, which it keeps while its replication id changes.
local own_run
local function run_id()
  own_run = own_run or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return own_run
end

-- How many plain PUBLISHes, at least, this server has counted that no gateway can have received, because the store was last written
-- under the replication id `before`. A server that has started again has counted nothing else. A server that goes on with the history
-- of `before` has also counted what it was sent as a replica.
local function missed_since(before)
  local calls = publish_calls()
  if arrival.predecessor ~= before then
    return calls - published_by_all
  end
  return arrival.missed + calls - arrival.calls - (published_by_all - arrival.published)
end
