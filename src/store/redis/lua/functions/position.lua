-- FCALL sisyphus_position 1 <key>
-- Answers the id of now: whatever was published before has a lower one, and whatever is published later a higher one. A page that reads it before
-- its data, and begins its stream there (`since`), misses nothing in between.
-- Keys: the clock.
-- Arguments: none.
-- Result: the id
-- Errors: only those of every function.
define('position', { 'allow-oom' }, function()
  local clock = read_clock()
  require_permission('HSET', CLOCK)
  begin_if_due(clock)
  local id = digits(next_id(clock))
  save_clock(clock)
  return id
end)
