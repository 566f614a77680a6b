-- FCALL sisyphus_poll_receive 1 <key> <session> <request> <message>*
-- Puts messages that a browser has sent into the inbox of the application.
-- Keys: the session, the inbox.
-- Arguments: the name of the session; a name for the request, so that it may be sent again; texts.
-- Result: [how many were put into the inbox], or [-1] if there is no such session.
-- Errors: BADREQUEST, WRONGTYPE, FULL if too many messages are in the inbox. After an error nothing is put into it.

-- The most messages that may wait for the application.
local MOST_RECEIVED = 100000
-- For how long a request is known (ms).
local REMEMBERED = 60000

define('poll_receive', {}, function(args)
  local id = args[1]
  if not polls.is_id(id) or #args < 2 then
    return bad_request('poll_receive', '<session> <request> <message>*')
  end
  local record, queue = polls.keys_of(id)
  local inbox = PREFIX .. 'inbox'
  local problem = polls.problem(record, queue)
  if problem then
    return problem
  end
  require_permissions(inbox, { 'XADD', 'XLEN', 'TYPE' })
  problem = problem_with_type(inbox, 'stream')
  if problem then
    return problem
  end
  local session = polls.read(record)
  if not session then
    return { '-1' }
  end
  return once(args[2], 'receive', REMEMBERED, function()
    if redis.call('XLEN', inbox) + #args - 2 > MOST_RECEIVED then
      return redis.error_reply('FULL the inbox holds ' .. MOST_RECEIVED .. ' messages: expected an application that takes them')
    end
    local time = digits(math.floor(redis_time() / 1000))
    for i = 3, #args do
      local number = redis.call('HINCRBY', record, 'received', 1)
      redis.call('XADD', inbox, '*', 'id', id .. '-' .. number, 'time', time, 'session', id, 'user', session.user, 'data', args[i])
    end
    polls.touch(record, queue)
    return { digits(#args - 2) }
  end)
end)
