-- Poll sessions: what waits for a browser that asks for it by one request after the other. docs/reference/poll-sessions.md has the protocol.
--
-- A session is a hash and a stream. The stream `queue` holds the messages that wait. A poll claims them: they become the `batch` of the hash,
-- which is `claimed` by that poll, and then `written` (the poll has written it) or `back` (it has not written any byte of it). Both keys end
-- after the last request of the browser, so nothing has to be searched or cleaned.
--
-- Invariant: a message is in the queue or in the batch, and in one of them only. A batch that may have been written is given to another poll
-- only in a session with `ack`, and only until the browser has named its number.

local polls = {
  -- How long a session is kept after the last request (ms).
  KEPT = 60000,
  -- How long a poll may take from its claim until it says whether it has written (ms). After that its gateway is taken for dead.
  LEASE = 3000,
  -- The most messages that wait, and the most bytes of a batch with several messages.
  MOST = 1000,
  BYTES = 1048576,
}

function polls.is_id(id)
  return id and #id >= 1 and #id <= 64 and not string.find(id, '[^a-z0-9-]')
end

function polls.keys_of(id)
  local record = PREFIX .. 'poll:' .. id
  return record, record .. ':queue'
end

-- The text as JSON, as JavaScript writes it: cjson puts a backslash before every slash.
function polls.to_json(text)
  return (string.gsub(cjson.encode(text), '\\/', '/'))
end

-- Asks for permission, and looks at the types of the keys. Answers an error, or `nil`.
function polls.problem(record, queue)
  require_permissions(record, { 'HMGET', 'HSET', 'HDEL', 'HINCRBY', 'PEXPIRE', 'PTTL', 'TYPE' })
  require_permissions(queue, { 'XADD', 'XLEN', 'XRANGE', 'XTRIM', 'PEXPIRE', 'TYPE' })
  return problem_with_type(record, 'hash') or problem_with_type(queue, 'stream') or nil
end

-- The session; `nil` if there is none.
function polls.read(record)
  local stored = redis.call('HMGET', record, 'ack', 'poll', 'at', 'batch', 'number', 'by', 'state', 'claimed', 'user')
  return stored[1] and {
    has_ack = stored[1] == '1',
    poll = stored[2],
    at = stored[3],
    batch = stored[4],
    number = whole(stored[5]) or 0,
    by = stored[6],
    state = stored[7],
    claimed = whole(stored[8]) or 0,
    user = stored[9] or '',
  } or nil
end

-- Looks a session up by its name, before the first write of a function. Answers the session, its two keys, and an error if they are not as they
-- should be; without a session there is none, or an error.
function polls.open(id)
  local record, queue = polls.keys_of(id)
  local problem = polls.problem(record, queue)
  return not problem and polls.read(record) or nil, record, queue, problem
end

function polls.touch(record, queue)
  redis.call('PEXPIRE', record, polls.KEPT)
  redis.call('PEXPIRE', queue, polls.KEPT)
end

-- To be called before the first write of a function that is going to call `wake`. Answers the clock.
function polls.prepare_wake(gateway)
  local clock = read_clock()
  require_permission('HSET', CLOCK)
  require_permission('PUBLISH', TOPIC .. '@poll' .. '/' .. gateway)
  begin_if_due(clock)
  return clock
end

-- Tells the gateway at which a poll of the session waits to look at the session again.
function polls.wake(clock, gateway, id)
  publish(clock, TOPIC .. '@poll' .. '/' .. gateway, id)
  save_clock(clock)
end
