-- FCALL sisyphus_poll_open 1 <key> <session> <0|1> <user> <binding> <format> <position> <instead>
-- Begins a poll session.
-- Keys: the session, and the one that it takes the place of.
-- Arguments: the name of the session; 1 if its batches are acknowledged; whose stream it carries, with the hash of the credential, the format
--   and the position from which it is read, each of them empty if there is none; the name of a session that is not known any more, or an
--   empty text.
-- Result: the name of the session. It is another one if a session has taken that place already: the browser may ask twice at a time.
-- Errors: BADREQUEST, BADUSER, WRONGTYPE. After an error there is no session.

-- The session that has taken the place of another one, if it is for the same browser.
local function successor_of(place, args)
  local name = redis.call('HGET', place, 'next')
  if not name then
    return nil
  end
  local stored = redis.call('HMGET', polls.keys_of(name), 'ack', 'user', 'binding')
  return stored[1] == args[2] and stored[2] == args[3] and stored[3] == args[4] and name or nil
end

define('poll_open', {}, function(args)
  local id, ack, user, instead = args[1], args[2], args[3], args[7]
  if not polls.is_id(id) or #args ~= 7 or not (ack == '0' or ack == '1') or (instead ~= '' and not polls.is_id(instead)) then
    return bad_request('poll_open', '<session> <0|1> <user> <binding> <format> <position> <instead>')
  end
  if user ~= '' and not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7, or an empty text')
  end
  local record, queue = polls.keys_of(id)
  local place = instead ~= '' and polls.keys_of(instead)
  require_permission('HGET', record)
  local problem = polls.problem(record, queue) or (place and polls.problem(place, queue))
  if problem then
    return problem
  end
  local known = place and successor_of(place, args)
  if known then
    return known
  end
  redis.call('HSET', record, 'ack', ack, 'user', user, 'binding', args[4], 'format', args[5], 'position', args[6])
  polls.touch(record, queue)
  if place then
    redis.call('HSET', place, 'next', id)
    redis.call('PEXPIRE', place, polls.KEPT)
  end
  return id
end)
