-- The settings, which are the same for all gateways of an installation: how much is kept of a channel, the largest message, the collections,
-- and which plain channels are recorded. The clock keeps those in force, and counts their changes in its field `settings`.
--
-- In force are those that came up last among the settings that living gateways were configured with: those of a new deploy from its first
-- gateway on, and those of the old one again once all gateways of the new one have gone. A gateway that is only started again changes
-- nothing. Plain channels are recorded if any living gateway asks for them.

-- So many settings are remembered in `<key>:settings`, a hash, with their numbers in the order in which they came up.
local MOST_SETTINGS = 16

local function require_settings()
  require_permissions(CLOCK, { 'HGET', 'HMGET', 'HSET', 'HINCRBY' })
  require_permissions(GATEWAYS, { 'HGETALL', 'HSET', 'HDEL', 'DEL' })
  require_permissions(SETTINGS, { 'HGET', 'HGETALL', 'HSET', 'HDEL', 'DEL' })
  require_permission('PUBLISH', TOPIC .. '@patterns')
end

-- The number of these settings; new ones are given the next one, and the oldest are forgotten.
local function number_settings(settings)
  local number = redis.pcall('HGET', SETTINGS, settings)
  if type(number) == 'string' and tonumber(number) then
    return tonumber(number)
  end
  if type(number) == 'table' then
    redis.call('DEL', SETTINGS)
  end
  number = redis.call('HINCRBY', CLOCK, 'settings', 1)
  redis.call('HSET', SETTINGS, settings, number)
  local all = redis.call('HGETALL', SETTINGS)
  if #all / 2 > MOST_SETTINGS then
    local oldest = 1
    for i = 3, #all, 2 do
      oldest = (tonumber(all[i + 1]) or 0) < (tonumber(all[oldest + 1]) or 0) and i or oldest
    end
    redis.call('HDEL', SETTINGS, all[oldest])
  end
  return number
end

-- The patterns of plain channels that any gateway asks for, sorted.
local function patterns_of_all(living)
  local patterns, seen = {}, {}
  for _, gateway in pairs(living) do
    for pattern in string.gmatch(gateway.patterns, '%S+') do
      if not seen[pattern] then
        seen[pattern] = true
        patterns[#patterns + 1] = pattern
      end
    end
  end
  table.sort(patterns)
  return table.concat(patterns, ' ')
end

-- A longer `ttl` makes counters last longer (see expiry.lua), but those that are there still end as they would have. So readers may rely on
-- the shorter time for them: `lived` (ms), for ids up to `raised`.
local function keep_shorter_life(clock, ttl)
  local before, now = known_for(clock.ttl), known_for(setting(ttl, MOST_TTL, DAY_MS))
  if now <= before then
    return
  end
  local is_in_use = clock.now - clock.raised < before * 1000
  local lived = is_in_use and whole(redis.call('HGET', CLOCK, 'lived')) or before
  redis.call('HSET', CLOCK, 'raised', digits(clock.last), 'lived', math.min(before, lived))
end

-- `texts`: JSON about the collections, `nil` if the caller does not know collections.
local function store_settings(clock, length, ttl, rules, max, texts)
  keep_shorter_life(clock, ttl)
  redis.call('HSET', CLOCK, 'length', length, 'ttl', ttl, 'rules', rules, 'max', max)
  if texts then
    collections.store(clock, texts)
  end
end

-- Puts into force what follows from the living gateways. If there is none, everything stays as it is.
local function adopt_settings(clock, living)
  local latest
  for _, gateway in pairs(living) do
    latest = (not latest or gateway.number > latest.number) and gateway or latest
  end
  if not latest then
    return
  end
  local current = redis.call('HMGET', CLOCK, 'length', 'ttl', 'rules', 'max', 'wanted', 'collections')
  local wanted = patterns_of_all(living)
  local is_other = latest.length ~= current[1] or latest.ttl ~= current[2] or latest.rules ~= current[3] or latest.max ~= current[4]
  if is_other or (latest.collections or '{}') ~= (current[6] or '{}') then
    store_settings(clock, latest.length, latest.ttl, latest.rules, latest.max, latest.collections or '{}')
    redis.call('HINCRBY', CLOCK, 'settings', 1)
  end
  if wanted ~= current[5] then
    redis.call('HSET', CLOCK, 'wanted', wanted)
    redis.call('HINCRBY', CLOCK, 'settings', 1)
    publish(clock, TOPIC .. '@patterns', wanted)
    save_clock(clock)
  end
end
