-- FCALL sisyphus_disconnect 1 <key> <user>
-- Ends every open stream of the user, on all gateways.
-- Keys: the clock, the disconnects.
-- Arguments: the user.
-- Result: the id of the disconnect. A stream whose request began before it ends; one that began after it stays.
-- Errors: BADREQUEST, BADUSER. After an error no stream ends.
define('disconnect', { 'allow-oom' }, function(args)
  local user = args[1]
  if not user or #args > 1 then
    return bad_request('disconnect', '<user>')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7')
  end
  local clock = read_clock()
  require_disconnects()
  begin_if_due(clock)
  local id = disconnect(clock, 'user ' .. user)
  save_clock(clock)
  return id
end)
