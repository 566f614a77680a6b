-- FCALL sisyphus_configure 1 sisyphus:{0} <length> <ttl, ms> <rules> <largest message, bytes> <database> <prefix of lists>: what append
-- and the checks go by, and where topics and lists are. Older gateways give no more than the first four. A gateway without a prefix
-- leaves that of another: without it every list would seem to be empty, and every right to be revoked.
-- Where counters last longer from now on (see growth.lua), those from before still end as they would have: what readers may rely on
-- is kept beside it (`raised`: up to which id, `lived`: for how long, ms).
define('configure', { 'allow-oom' }, function(args)
  local clock = read_clock()
  local before, now = known_for(clock.ttl), known_for(setting(args[2], MOST_TTL, 86400000))
  if now > before then
    local still = clock.now - clock.raised < before * 1000
    local lived = still and whole(redis.call('HGET', CLOCK, 'lived')) or before
    redis.call('HSET', CLOCK, 'raised', digits(clock.last), 'lived', math.min(before, lived))
  end
  redis.call('HSET', CLOCK, 'length', args[1], 'ttl', args[2], 'rules', args[3], 'max', args[4])
  if args[5] then
    local prefix = args[6] == '' and clock.prefix or args[6]
    redis.call('HSET', CLOCK, 'database', args[5], 'prefix', prefix)
    prefixes[KEY .. args[5]] = prefix
  end
  return redis.status_reply('OK')
end)
