-- Gaps: parts of the order of ids in which messages were lost that no backlog shows. `<key>:gaps` is a list of them. Readers whose position
-- lies in a gap or before it are told. Gateways read the gaps with each mark, and receive each one on the topic `@gap` as it is written.
--
--   unrecorded <from> <to>                   no gateway received plain PUBLISHes that were made then
--   unrecorded <from> <to> <channel>*        plain PUBLISHes on these channels could not be recorded, see channel-gaps.lua
--   forked <from> <to> <extent> <channel>*   the server lost what was given out between the two ids; these channels lost messages there
--
-- The extent of a fork: `?` (a gateway that received everything until then may still name more channels), `-` (there was no such gateway),
-- `=` (these are all), `*` (any channel may have lost a message), `+` (the same, of several old forks in one).

-- If there are more forks than this, the oldest two become one.
local MOST_FORKS = 12

local function require_gaps()
  require_permissions(GAPS, { 'LRANGE', 'DEL', 'RPUSH' })
  require_permission('HSET', CLOCK)
end

-- Answers the gaps, or `nil` if they are lost: the key has another type, or there is none although the clock says so.
local function read_gaps()
  local gaps = redis.pcall('LRANGE', GAPS, 0, -1)
  if gaps.err and not is_mistyped(GAPS, 'list') then
    error(gaps)
  end
  if gaps.err or (#gaps == 0 and redis.call('HGET', CLOCK, 'gap')) then
    return nil
  end
  return gaps
end

local function store_gaps(texts)
  redis.call('DEL', GAPS)
  for i = 1, #texts do
    redis.call('RPUSH', GAPS, texts[i])
  end
end

-- Adds a gap to the list. An `unrecorded` gap of all channels replaces the one before it, because readers from before that one are
-- notified of the new one too. If there are too many forks, the two oldest are merged into one, and readers whose position is before its
-- end are notified.
local function add_gap(texts, gap)
  local forks, is_unrecorded = {}, string.find(gap, '^unrecorded %d+ %d+$')
  for i = #texts, 1, -1 do
    if is_unrecorded and string.find(texts[i], '^unrecorded %d+ %d+$') then
      table.remove(texts, i)
    end
  end
  texts[#texts + 1] = gap
  for i = 1, #texts do
    if string.sub(texts[i], 1, 7) == 'forked ' then
      forks[#forks + 1] = i
    end
  end
  if #forks > MOST_FORKS then
    local from, to = string.match(texts[forks[1]], '^forked (%d+)'), string.match(texts[forks[2]], '^forked %d+ (%d+)')
    texts[forks[2]] = 'forked ' .. from .. ' ' .. to .. ' +'
    table.remove(texts, forks[1])
  end
  return texts
end

-- Stores the gap and answers its text.
local function write_gap(reason, from, to, extent)
  local gap = reason .. ' ' .. digits(from) .. ' ' .. digits(to) .. (extent and ' ' .. extent or '')
  store_gaps(add_gap(redis.call('LRANGE', GAPS, 0, -1), gap))
  redis.call('HSET', CLOCK, 'gap', digits(to))
  return gap
end

-- If the ACL denies the topic to the caller, gateways find the gap with their next mark.
local function publish_gap(clock, gap)
  if redis.acl_check_cmd('PUBLISH', TOPIC .. '@gap', gap) then
    publish(clock, TOPIC .. '@gap', gap)
  end
end

-- Whether a gateway that receives everything owned the recorder's lease, or was a standby, when this id was given out.
local function was_heard(id)
  local expires = redis.pcall('HGET', RECORDER, 'expires')
  local standbys = redis.pcall('ZCOUNT', STANDBYS, digits(id), '+inf')
  return type(expires) == 'string' and (tonumber(expires) or 0) >= id or type(standbys) == 'number' and standbys > 0
end
