-- What is kept of a channel goes when nobody can miss it any more.
--
-- Invariant: a channel's revision and head outlive its last message by `known_for` at least, so of a channel of which nothing is known
-- nothing was published since then, and whoever has a position from before is told (`expired`). What goes on after that begins with
-- revision 1 and nothing before it, which tells a gateway that still follows the channel.

local DAY_MS = 86400000

-- How long (ms), at least, a channel's counters are kept after its last message: longer than the key of its backlog, however short
-- that is kept. The JavaScript side is knownFor in backlog/backlog.ts.
local function known_for(ttl)
  return math.max(2000, 2 * ttl, math.min(7 * ttl, 7 * DAY_MS))
end

-- The end of the counters is put off with the first message in each eighth of that time (and with the first one after the time
-- was made longer), and then by so much that it is long enough for the last message in it. So it costs next to nothing.
local function is_renewed(clock, kept, id)
  local eighth = known_for(clock.ttl) * 125
  return kept.lost or kept.last <= clock.raised or math.floor(id / eighth) > math.floor(kept.last / eighth)
end

-- XADD takes 4 KB for the first entry of a stream (more would follow in them), which is nine tenths of what a channel takes that is
-- used once. A copy takes what it needs.
local function shrink(kept)
  local copy = PREFIX .. 'copy'
  if redis.acl_check_cmd('COPY', kept.backlog, copy) and redis.acl_check_cmd('RENAME', copy, kept.backlog) then
    redis.call('COPY', kept.backlog, copy, 'REPLACE')
    redis.call('RENAME', copy, kept.backlog)
  end
end

local function renew(clock, kept)
  local milliseconds = math.ceil(known_for(clock.ttl) * 1.125)
  redis.call('PEXPIRE', kept.base .. ':msg_id', milliseconds)
  redis.call('PEXPIRE', kept.base .. ':msg_last', milliseconds)
end
