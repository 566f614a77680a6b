-- FCALL sisyphus_leave 1 <key> <gateway> <ms>
-- Says that a gateway is being stopped. What it was configured with counts no longer, unless it is the last one.
-- Keys: the clock, the gateways, the settings.
-- Arguments: the name of the gateway; for how long (ms) counts what a gateway has said.
-- Result: OK
-- Errors: only those of every function.
define('leave', { 'allow-oom' }, function(args)
  local clock = read_clock()
  require_settings()
  begin_if_due(clock)
  local living = keep_living_gateways(clock, tonumber(args[2]))
  living[args[1]] = nil
  redis.call('HDEL', GATEWAYS, args[1])
  adopt_settings(clock, living)
  return redis.status_reply('OK')
end)
