-- FCALL sisyphus_configure 1 sisyphus:{0} <length> <ttl, ms> <rules> <largest message, bytes> <database> <prefix of lists>: what append
-- and the checks go by, and where topics and lists are. Older gateways give no more than the first four.
define('configure', { 'allow-oom' }, function(args)
  read_clock()
  redis.call('HSET', CLOCK, 'length', args[1], 'ttl', args[2], 'rules', args[3], 'max', args[4])
  if args[5] then
    redis.call('HSET', CLOCK, 'database', args[5], 'prefix', args[6])
    prefixes[KEY .. args[5]] = args[6]
  end
  return redis.status_reply('OK')
end)
