-- FCALL sisyphus_disconnect_again 1 <key> (<what ends> <id>)*
-- Notes disconnects again that the store has lost, because it was emptied, or because a replica has taken over without them. A gateway that has
-- read them still knows them, and another one may not.
-- Keys: the clock, the disconnects.
-- Arguments: for each disconnect what ends, `user <user>` or `credential <hash> <user>`, and the id with which it was made.
-- Result: how many were noted. They have new ids, and end the same streams as before.
-- Errors: only those of every function.
define('disconnect_again', { 'allow-oom' }, function(args)
  local clock = read_clock()
  require_disconnects()
  begin_if_due(clock)
  local count = 0
  for i = 1, #args, 2 do
    local what, made = args[i], whole(args[i + 1])
    local is_right = string.find(what, '^user %S+$') or string.find(what, '^credential %S+ %S+$')
    if is_right and made and clock.now - made < DISCONNECTS_KEPT then
      disconnect(clock, what .. ' ' .. digits(made))
      count = count + 1
    end
  end
  if count > 0 then
    save_clock(clock)
  end
  return count
end)
