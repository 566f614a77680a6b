-- FCALL sisyphus_poll_end 1 <key> <session> <poll> <written|back>
-- Says that a poll has ended, and what has become of the batch that it has claimed.
-- Keys: the session; the clock, if another poll of the session waits.
-- Arguments: the name of the session; the name of the poll; `written` if at least one byte of the batch was written, otherwise `back`.
-- Result: 1, or 0 if there is no such session.
-- Errors: BADREQUEST, WRONGTYPE.
define('poll_end', { 'allow-oom' }, function(args)
  local id, poll, how = args[1], args[2], args[3]
  if not polls.is_id(id) or #args ~= 3 or not (how == 'written' or how == 'back') then
    return bad_request('poll_end', '<session> <poll> <written|back>')
  end
  local session, record, queue, problem = polls.open(id)
  if not session then
    return problem or 0
  end
  local other = session.poll ~= poll and session.at or nil
  local is_holder = session.batch and session.by == poll and session.state == 'claimed'
  local clock = other and is_holder and polls.prepare_wake(other)
  if session.poll == poll then
    redis.call('HDEL', record, 'at')
  end
  if not is_holder then
    return 1
  end
  if how == 'written' and not session.has_ack then
    redis.call('HDEL', record, 'batch', 'state', 'by', 'claimed')
  else
    redis.call('HSET', record, 'state', how)
  end
  if other then
    polls.wake(clock, other, id)
  end
  return 1
end)
