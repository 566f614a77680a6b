-- FCALL sisyphus_poll_send 1 <key> <session> <message>+
-- Sends messages to the browser of a poll session.
-- Keys: the session; the clock, if a poll of the session waits.
-- Arguments: the name of the session; texts.
-- Result: how many older messages were dropped, because too many wait; -1 if there is no such session.
-- Errors: BADREQUEST, WRONGTYPE. After an error nothing is sent.
define('poll_send', {}, function(args)
  local id = args[1]
  if not polls.is_id(id) or #args < 2 then
    return bad_request('poll_send', '<session> <message>+')
  end
  local session, record, queue, problem = polls.open(id)
  if not session then
    return problem or -1
  end
  local clock = session.at and polls.prepare_wake(session.at)
  local dropped = math.max(0, redis.call('XLEN', queue) + #args - 1 - polls.MOST)
  for i = 2, #args do
    redis.call('XADD', queue, 'MAXLEN', polls.MOST, '*', 'm', polls.to_json(args[i]))
  end
  redis.call('PEXPIRE', queue, math.max(1, redis.call('PTTL', record)))
  if clock then
    polls.wake(clock, session.at, id)
  end
  return dropped
end)
