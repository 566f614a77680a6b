-- FCALL sisyphus_poll_open 1 <key> <session> <0|1> <user> <binding> <format> <position>
-- Begins a poll session.
-- Keys: the session.
-- Arguments: the name of the session; 1 if its batches are acknowledged; whose stream it carries, with the hash of the credential, the format
--   and the position from which it is read, each of them empty if there is none.
-- Result: 1
-- Errors: BADREQUEST, WRONGTYPE. After an error there is no session.
define('poll_open', {}, function(args)
  local id, ack, user, binding, format, position = args[1], args[2], args[3], args[4], args[5], args[6]
  if not polls.is_id(id) or #args ~= 6 or not (ack == '0' or ack == '1') or (user ~= '' and not is_user(user)) then
    return bad_request('poll_open', '<session> <0|1> <user> <binding> <format> <position>')
  end
  local record, queue = polls.keys_of(id)
  local problem = polls.problem(record, queue)
  if problem then
    return problem
  end
  redis.call('HSET', record, 'ack', ack, 'user', user, 'binding', binding, 'format', format, 'position', position)
  polls.touch(record, queue)
  return 1
end)
