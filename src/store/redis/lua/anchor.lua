-- FCALL sisyphus_anchor 0 <gateway> [<patterns>]  ->  id
-- Gives out an id that no message has, so that a gateway which has just begun to listen knows the place it is at:
-- `<id> <gateway> <plain PUBLISHes so far> <switch or -> <patterns>` on the topic `@anchor`.
-- <patterns>: the owner of the lease wants these plain channels to be recorded from here on. Who hears it counts places by them
-- from here on, so that all count the same.
define('anchor', { 'allow-oom' }, function(args)
  require_permissions(CLOCK, { 'HSET', 'HINCRBY' })
  require_permission('HSET', RECORDER)
  local clock = look_at_clock()
  require_permission('PUBLISH', TOPIC .. '@anchor')
  begin(clock)
  -- Before anything is changed: it asks for INFO, which may be denied.
  local published = plain_publishes(clock)
  local id = digits(next_id(clock))
  local stored = redis.pcall('HMGET', RECORDER, 'owner', 'patterns')
  local owner, patterns = stored[1], stored[2] or ''
  local switches = args[2] and owner == args[1] and args[2] ~= patterns
  if switches then
    patterns = args[2]
    redis.call('HSET', RECORDER, 'patterns', patterns)
    redis.call('HINCRBY', CLOCK, 'settings', 1)
  end
  local text = id .. ' ' .. args[1] .. ' ' .. published .. (switches and ' switch ' or ' - ') .. patterns
  say(clock, TOPIC .. '@anchor', text)
  save(clock)
  return id
end)
