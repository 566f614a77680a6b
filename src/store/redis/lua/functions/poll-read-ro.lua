-- FCALL_RO sisyphus_poll_read_ro 1 <key> <session>
-- Reads whose stream a poll session carries.
-- Keys: the session.
-- Arguments: the name of the session.
-- Result: [user, hash of the credential, format, position, 1 if its stream has said `ok`, number of its last batch]; or an empty list if there is no such session.
-- Errors: BADREQUEST.
define('poll_read_ro', { 'no-writes', 'allow-oom' }, function(args)
  if not polls.is_id(args[1]) or #args > 1 then
    return bad_request('poll_read_ro', '<session>')
  end
  local stored = redis.call('HMGET', polls.keys_of(args[1]), 'user', 'binding', 'format', 'position', 'told', 'number')
  if not stored[1] then
    return {}
  end
  return { stored[1], stored[2] or '', stored[3] or '', stored[4] or '', stored[5] or '', stored[6] or '0' }
end)
