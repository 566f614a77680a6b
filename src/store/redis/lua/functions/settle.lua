-- FCALL sisyphus_settle 1 <key>
-- Asks the recorder to say, on the topic `@settled`, once everything is recorded that was published plainly before this call.
-- Keys: the clock and the recorder.
-- Arguments: none.
-- Result: the id that the recorder will name, or 0 if no gateway records plain PUBLISHes.
-- Errors: only those of every function.
define('settle', { 'allow-oom' }, function()
  local clock = read_clock()
  begin_if_due(clock)
  if not is_recording(clock, read_recorder(clock) or forget_recorder(clock)) then
    return '0'
  end
  require_permission('HSET', CLOCK)
  require_permission('PUBLISH', TOPIC .. '@settle')
  local id = digits(next_id(clock))
  publish(clock, TOPIC .. '@settle', id)
  save_clock(clock)
  return id
end)
