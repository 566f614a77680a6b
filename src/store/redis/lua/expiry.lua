-- When the keys of a channel expire, and the messages in its backlog.
--
-- Invariant: a channel's revision and last id outlive its last message by `known_for` at least. So if a channel has none, nothing was
-- published on it for that long, and readers with an older position are told (`expired`). Its next message has revision 1 and no
-- predecessor, which tells a gateway that still follows the channel.

local DAY_MS = 86400000

-- How long (ms) a channel's revision and last id are kept after its last message, at least: longer than the backlog, however short that is
-- kept. The JavaScript side is knownFor in backlog/backlog.ts.
local function known_for(ttl)
  return math.max(2000, 2 * ttl, math.min(7 * ttl, 7 * DAY_MS))
end

-- Whether the message `id` puts the end of those two keys off: if it is the first in an eighth of `known_for` (or the first since that
-- was made longer). They are then kept for an eighth more, which is long enough for the last message in that eighth too.
local function is_renewal_due(clock, state, id)
  local eighth = known_for(clock.ttl) * 125
  return state.lost or state.last <= clock.raised or math.floor(id / eighth) > math.floor(state.last / eighth)
end

local function renew_channel(clock, state)
  local milliseconds = math.ceil(known_for(clock.ttl) * 1.125)
  redis.call('PEXPIRE', state.revision_key, milliseconds)
  redis.call('PEXPIRE', state.last_id_key, milliseconds)
end

-- Whether the message `id` trims the backlog by age and puts its end off: with every 16th message, or if the message before is so old
-- that 16 such steps may take 1 % of the time that messages are kept. With every message it would cost 2 us.
local function is_trim_due(clock, state, id)
  return state.revision % 16 == 15 or id - state.last > clock.ttl * 0.625
end

-- XADD takes 4 KB for the first entry of a stream, as room for more: that is nine tenths of what a channel takes that is used once. A copy
-- of the stream takes only what it needs.
local function shrink_backlog(state)
  local copy = PREFIX .. 'copy'
  if redis.acl_check_cmd('COPY', state.backlog, copy) and redis.acl_check_cmd('RENAME', copy, state.backlog) then
    redis.call('COPY', state.backlog, copy, 'REPLACE')
    redis.call('RENAME', copy, state.backlog)
  end
end

-- Trims the backlog with the message that was just added. `size`: of its envelope (bytes). Readers go by the age of each message, so one
-- that has not been trimmed yet is not read. The key is kept a little longer than its last message: if it went first, the messages in it
-- would seem to be trimmed and not expired.
local function trim_backlog(clock, state, size)
  if clock.last - state.last > clock.ttl * 1000 and size < 2048 then
    shrink_backlog(state)
  end
  redis.call('XTRIM', state.backlog, 'MINID', digits(clock.now - clock.ttl * 1000))
  redis.call('PEXPIRE', state.backlog, math.ceil(clock.ttl * 1.01) + 1000)
end
