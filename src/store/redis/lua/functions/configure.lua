-- FCALL sisyphus_configure 1 <key> <length> <ttl> <rules> <max> [<database> <prefix> [<patterns> <gateway> <ms> [<random> [<collections>]]]]
-- Says what a gateway is configured with, and puts the settings into force that follow (see settings.lua).
-- Keys: the clock, the gateways, the settings, the recorder.
-- Arguments: how many messages of a channel are kept, for how long (ms), the rules for other numbers, the largest message (bytes); the number
--   of the database and the prefix of the lists; the patterns of the plain channels to be recorded, the name of the gateway, and for how long
--   this counts if the gateway does not say it again (ms); random bits (see random.lua); the collections (JSON, see collections.lua).
-- Result: [number of the settings, length, ttl, rules, max, patterns that gateways ask for, patterns that are recorded now,
--   the collections]. Without a
--   gateway: OK, and these settings are in force at once, until a gateway says something else.
-- Errors: only those of every function.
define('configure', { 'allow-oom' }, function(args)
  add_random_bits(args[10] or '')
  local clock = read_clock()
  require_settings()
  begin_if_due(clock)
  if args[5] then
    store_location(clock, args[5], args[6])
  end
  local me, ms = args[8], tonumber(args[9])
  if not me then
    store_settings(clock, args[1], args[2], args[3], args[4])
    return redis.status_reply('OK')
  end
  local living = keep_living_gateways(clock, ms)
  local told = { args[1], args[2], args[3], args[4] }
  told[5] = args[11] ~= '{}' and args[11] or nil
  living[me] = {
    length = args[1], ttl = args[2], rules = args[3], max = args[4], patterns = args[7], collections = args[11],
    till = math.floor(clock.now / 1000) + ms,
    number = number_settings(table.concat(told, ' ')),
  }
  for name, gateway in pairs(living) do
    redis.call('HSET', GATEWAYS, name, cjson.encode(gateway))
  end
  adopt_settings(clock, living)
  local answer = redis.call('HMGET', CLOCK, 'settings', 'length', 'ttl', 'rules', 'max', 'wanted')
  local recorded = redis.pcall('HGET', RECORDER, 'patterns')
  answer[7] = type(recorded) == 'string' and recorded or ''
  answer[8] = redis.call('HGET', CLOCK, 'collections') or '{}'
  return answer
end)
