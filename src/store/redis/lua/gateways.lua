-- The gateways that are taken to live, and what each was configured with: `<key>:gateways`, a hash of JSON by the gateway's name. Each
-- gateway writes its entry again every few seconds.

-- Whether the value is what a gateway has stored; somebody else may have written there.
local function is_gateway(value)
  return type(value) == 'table' and type(value.till) == 'number' and type(value.number) == 'number'
    and type(value.length) == 'string' and type(value.ttl) == 'string' and type(value.rules) == 'string'
    and type(value.max) == 'string' and type(value.patterns) == 'string'
    and (value.collections == nil or type(value.collections) == 'string')
end

-- Deletes the gateways that have not called for too long, and answers the others by their names. `till` is when (ms) the entry of a gateway
-- ends. If no gateway has called for half of that time, Redis or all of them were away: then none is taken for dead yet.
local function keep_living_gateways(clock, ms)
  local stored = redis.pcall('HGETALL', GATEWAYS)
  if stored.err then
    redis.call('DEL', GATEWAYS)
    stored = {}
  end
  local heard = tonumber(redis.call('HGET', CLOCK, 'heard') or 0) or 0
  local is_quiet = clock.now - heard > ms * 500
  local living, now = {}, math.floor(clock.now / 1000)
  for i = 1, #stored, 2 do
    local known, gateway = pcall(cjson.decode, stored[i + 1])
    if known and is_gateway(gateway) and (is_quiet or gateway.till >= now) then
      -- `min`: if the clock was set back, a gateway must not count as living for longer than one that calls at this moment.
      gateway.till = is_quiet and now + ms or math.min(gateway.till, now + ms)
      living[stored[i]] = gateway
    else
      redis.call('HDEL', GATEWAYS, stored[i])
    end
  end
  redis.call('HSET', CLOCK, 'heard', digits(clock.now))
  return living
end
