-- FCALL sisyphus_configure 0 <length> <ttl, ms> <rules> <largest message, bytes>: what append and the checks go by.
define('configure', { 'allow-oom' }, function(args)
  read_clock()
  redis.call('HSET', CLOCK, 'length', args[1], 'ttl', args[2], 'rules', args[3], 'max', args[4])
  return redis.status_reply('OK')
end)
