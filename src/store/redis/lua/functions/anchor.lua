-- FCALL sisyphus_anchor 1 <key> <gateway> [<patterns>]
-- Gives out an id that no message has, and publishes it on the topic `@anchor`: a gateway that has just begun to listen learns its place.
-- Keys: the clock and the recorder.
-- Arguments: the name of the gateway; the patterns of the plain channels that are to be recorded from here on, which only the owner of the
--   lease may change. Every gateway that receives the anchor counts places by them from here on, so that all count the same.
-- Result: the id. The text on the topic is `<id> <gateway> <plain PUBLISHes so far> <switch, or - if nothing changes> <patterns>`.
-- Errors: only those of every function.
define('anchor', { 'allow-oom' }, function(args)
  require_permissions(CLOCK, { 'HSET', 'HINCRBY' })
  require_permission('HSET', RECORDER)
  local clock = read_clock()
  require_permission('PUBLISH', TOPIC .. '@anchor')
  begin_if_due(clock)
  -- This runs INFO, which the ACL may deny, so it comes before the writes.
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
  publish(clock, TOPIC .. '@anchor', text)
  save_clock(clock)
  return id
end)
