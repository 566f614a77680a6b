-- Settings are one for all gateways of an installation, and kept in the clock: how much is kept of a channel, the largest message,
-- and which plain channels are recorded. A gateway says what it was configured with, and again every few seconds while it lives.
-- Of what is kept, and the largest message, the settings count that came up last among those that a living gateway was
-- configured with: those of a new deploy from its first gateway on, and those of the old one again where all of the new have
-- gone. Not those of a gateway that has only been started again. Of plain channels all are recorded that any living gateway asks for.
-- `settings` of the clock is raised with each change.

-- How many settings are remembered to have been there, with the order in which they came up.
local MOST_SETTINGS = 16

local function require_settings()
  require_permissions(CLOCK, { 'HGET', 'HMGET', 'HSET', 'HINCRBY' })
  require_permissions(GATEWAYS, { 'HGETALL', 'HSET', 'HDEL', 'DEL' })
  require_permissions(SETTINGS, { 'HGET', 'HGETALL', 'HSET', 'HDEL', 'DEL' })
  require_permission('PUBLISH', TOPIC .. '@patterns')
end

-- Somebody else may have written there.
local function is_gateway(value)
  return type(value) == 'table' and type(value.till) == 'number' and type(value.number) == 'number'
    and type(value.length) == 'string' and type(value.ttl) == 'string' and type(value.rules) == 'string'
    and type(value.max) == 'string' and type(value.patterns) == 'string'
end

-- The gateways that are taken to live: what each was configured with, and until when (ms) that counts.
local function living_gateways(clock, ms)
  local stored = redis.pcall('HGETALL', GATEWAYS)
  if stored.err then
    redis.call('DEL', GATEWAYS)
    stored = {}
  end
  -- Where nobody has said anything for a while, Redis was away, or all of them: none of them is taken for dead yet.
  local heard = tonumber(redis.call('HGET', CLOCK, 'heard') or 0) or 0
  local is_quiet = clock.now - heard > ms * 500
  local living, now = {}, math.floor(clock.now / 1000)
  for i = 1, #stored, 2 do
    local known, gateway = pcall(cjson.decode, stored[i + 1])
    if known and is_gateway(gateway) and (is_quiet or gateway.till >= now) then
      -- Not for longer, where the clock was set back.
      gateway.till = is_quiet and now + ms or math.min(gateway.till, now + ms)
      living[stored[i]] = gateway
    else
      redis.call('HDEL', GATEWAYS, stored[i])
    end
  end
  redis.call('HSET', CLOCK, 'heard', digits(clock.now))
  return living
end

-- The number of these settings in the order in which settings came up.
local function number_of(settings)
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

-- Every pattern that is asked for, in one order.
local function asked_by_all(living)
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

-- Where counters last longer from now on (see growth.lua), those from before still end as they would have: what readers may rely on
-- is kept beside it (`raised`: up to which id, `lived`: for how long, ms).
local function keep_for(clock, ttl)
  local before, now = known_for(clock.ttl), known_for(setting(ttl, MOST_TTL, DAY_MS))
  if now <= before then
    return
  end
  local still = clock.now - clock.raised < before * 1000
  local lived = still and whole(redis.call('HGET', CLOCK, 'lived')) or before
  redis.call('HSET', CLOCK, 'raised', digits(clock.last), 'lived', math.min(before, lived))
end

local function put_settings(clock, length, ttl, rules, max)
  keep_for(clock, ttl)
  redis.call('HSET', CLOCK, 'length', length, 'ttl', ttl, 'rules', rules, 'max', max)
end

-- Puts into force what follows from the gateways that live, if any does.
local function agree(clock, living)
  local latest
  for _, gateway in pairs(living) do
    latest = (not latest or gateway.number > latest.number) and gateway or latest
  end
  if not latest then
    return
  end
  local current = redis.call('HMGET', CLOCK, 'length', 'ttl', 'rules', 'max', 'wanted')
  local wanted = asked_by_all(living)
  if latest.length ~= current[1] or latest.ttl ~= current[2] or latest.rules ~= current[3] or latest.max ~= current[4] then
    put_settings(clock, latest.length, latest.ttl, latest.rules, latest.max)
    redis.call('HINCRBY', CLOCK, 'settings', 1)
  end
  if wanted ~= current[5] then
    redis.call('HSET', CLOCK, 'wanted', wanted)
    redis.call('HINCRBY', CLOCK, 'settings', 1)
    say(clock, TOPIC .. '@patterns', wanted)
    save(clock)
  end
end

-- Where topics and lists are. A gateway without a prefix leaves that of another: without it every list would seem to be empty, and
-- every right to be revoked.
local function locate(clock, database, prefix)
  prefix = prefix == '' and clock.prefix or prefix
  redis.call('HSET', CLOCK, 'database', database, 'prefix', prefix)
  prefixes[KEY .. database] = prefix
end

-- FCALL sisyphus_configure 1 sisyphus:{0} <length> <ttl, ms> <rules> <largest message, bytes> [<database> <prefix of lists>
--   [<patterns of plain channels> <gateway> <ms until it says so again, at most>]]
--   ->  [settings, length, ttl, rules, largest message, patterns that are asked for, patterns that are recorded now]
-- Without a gateway these settings count at once, until one says something else.
define('configure', { 'allow-oom' }, function(args)
  local clock = look_at_clock()
  require_settings()
  begin(clock)
  if args[5] then
    locate(clock, args[5], args[6])
  end
  local me, ms = args[8], tonumber(args[9])
  if not me then
    put_settings(clock, args[1], args[2], args[3], args[4])
    return redis.status_reply('OK')
  end
  local living = living_gateways(clock, ms)
  living[me] = {
    length = args[1], ttl = args[2], rules = args[3], max = args[4], patterns = args[7],
    till = math.floor(clock.now / 1000) + ms,
    number = number_of(table.concat({ args[1], args[2], args[3], args[4] }, ' ')),
  }
  for name, gateway in pairs(living) do
    redis.call('HSET', GATEWAYS, name, cjson.encode(gateway))
  end
  agree(clock, living)
  local answer = redis.call('HMGET', CLOCK, 'settings', 'length', 'ttl', 'rules', 'max', 'wanted')
  local recorded = redis.pcall('HGET', RECORDER, 'patterns')
  answer[7] = type(recorded) == 'string' and recorded or ''
  return answer
end)

-- FCALL sisyphus_leave 1 sisyphus:{0} <gateway> <ms>  ->  OK
-- The gateway is being stopped: what it was configured with does not count any more, unless it is the last one.
define('leave', { 'allow-oom' }, function(args)
  local clock = look_at_clock()
  require_settings()
  begin(clock)
  local living = living_gateways(clock, tonumber(args[2]))
  living[args[1]] = nil
  redis.call('HDEL', GATEWAYS, args[1])
  agree(clock, living)
  return redis.status_reply('OK')
end)
