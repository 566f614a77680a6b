-- FCALL sisyphus_anchor 0 <gateway>  ->  id
-- Gives out an id that no message has, so that a gateway which has just begun to listen knows the place it is at:
-- `<id> <gateway> <plain PUBLISHes so far>` on the topic `@anchor`.
define('anchor', { 'allow-oom' }, function(args)
  require_permission('HSET', CLOCK)
  local clock = read_clock()
  local id = digits(next_id(clock))
  say(clock, TOPIC .. '@anchor', id .. ' ' .. args[1] .. ' ' .. plain_publishes(clock))
  save(clock)
  return id
end)
