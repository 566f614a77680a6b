-- FCALL sisyphus_configure 1 sisyphus:{0} <length> <ttl, ms> <rules> <largest message, bytes> <database> <prefix of lists>: what append
-- and the checks go by, and where topics and lists are. Older gateways give no more than the first four. A gateway without a prefix
-- leaves that of another: without it every list would seem to be empty, and every right to be revoked.
define('configure', { 'allow-oom' }, function(args)
  local clock = read_clock()
  redis.call('HSET', CLOCK, 'length', args[1], 'ttl', args[2], 'rules', args[3], 'max', args[4])
  if args[5] then
    local prefix = args[6] == '' and clock.prefix or args[6]
    redis.call('HSET', CLOCK, 'database', args[5], 'prefix', prefix)
    prefixes[KEY .. args[5]] = prefix
  end
  return redis.status_reply('OK')
end)
