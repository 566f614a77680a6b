-- FCALL sisyphus_poll_claim 1 <key> <session> <poll> <gateway> <begin|look> <got> [<position> <told> <number> <frame>*]
-- Claims a batch of messages for a poll of the session, or notes that the poll waits for one.
-- Keys: the session; the clock, if another poll of the session has to be told that it is no longer the newest.
-- Arguments: the name of the session; the name of the poll; the gateway at which it waits; `begin` with the first call of a poll, which makes
--   it the newest; the number of the last batch that the browser names, or an empty text. For a session that carries a stream: up to where
--   the stream has been read, 1 if it has said `ok`, the number of the batch behind which it was read, and its frames.
-- Result: [`batch`, its number, a JSON array]; [`wait`, after how many ms the poll has to look again, or '' if it is told]; [`older`] if
--   another poll is the newest one, or has read the stream meanwhile; [`unknown`] if there is no such session.
-- Errors: BADREQUEST, WRONGTYPE. After an error nothing is claimed.

-- Moves what waits into a list, up to the most bytes of a batch. Answers the list, and whether anything is left.
local function take(queue)
  local entries, items, bytes = redis.call('XRANGE', queue, '-', '+', 'COUNT', polls.MOST), {}, 0
  for i = 1, #entries do
    local item = entries[i][2][2]
    bytes = bytes + #item
    if i > 1 and bytes > polls.BYTES then
      redis.call('XTRIM', queue, 'MINID', entries[i][1])
      return items, true
    end
    items[i] = item
  end
  if #items > 0 then
    redis.call('XTRIM', queue, 'MAXLEN', 0)
  end
  return items, false
end

-- What follows the batch that is over: what waits, and behind it the frames of the stream, if they have room.
local function next_batch(record, queue, args)
  local items, is_more = take(queue)
  if args[6] and not is_more then
    for i = 9, #args do
      items[#items + 1] = polls.to_json(args[i])
    end
    redis.call('HSET', record, 'position', args[6], 'told', args[7])
  end
  return #items > 0 and '[' .. table.concat(items, ',') .. ']' or nil
end

-- How long the poll has to wait (ms) for another one that has not said yet whether it has written its batch; `nil` if it does not.
local function lease_left(session, poll, now)
  if session.has_ack or session.state ~= 'claimed' or session.by == poll then
    return nil
  end
  local left = session.claimed + polls.LEASE - now
  return left > 0 and left <= polls.LEASE and left or nil
end

-- Whether the batch must not be given to another poll: the browser has named it, or it may have been written.
local function is_over(session, poll, got)
  if session.has_ack then
    return got ~= nil and got >= session.number
  end
  return session.state == 'written' or (session.state == 'claimed' and session.by ~= poll)
end

define('poll_claim', { 'allow-oom' }, function(args)
  local id, poll, gateway, verb, got = args[1], args[2], args[3], args[4], args[5]
  if not polls.is_id(id) or #args < 5 or (#args > 5 and #args < 8) or not (verb == 'begin' or verb == 'look') then
    return bad_request('poll_claim', '<session> <poll> <gateway> <begin|look> <got> [<position> <told> <number> <frame>*]')
  end
  local session, record, queue, problem = polls.open(id)
  if not session then
    return problem or { 'unknown' }
  end
  -- A stream that was read before another batch was made may have frames that are in that batch.
  local is_stale = args[8] and whole(args[8]) ~= session.number and session.by ~= poll
  if is_stale or (verb == 'look' and session.poll ~= poll) then
    return { 'older' }
  end
  local now = math.floor(redis_time() / 1000)
  local other = session.poll ~= poll and session.at or nil
  local clock = other and polls.prepare_wake(other)
  polls.touch(record, queue)
  local left = session.batch and lease_left(session, poll, now)
  if session.batch and not left and is_over(session, poll, whole(got)) then
    redis.call('HDEL', record, 'batch', 'state', 'by', 'claimed')
    session.batch = nil
  end
  local batch = session.batch
  if not batch then
    batch = next_batch(record, queue, args)
    session.number = batch and redis.call('HINCRBY', record, 'number', 1)
  end
  local answer
  if batch and not left then
    redis.call('HSET', record, 'batch', batch, 'state', 'claimed', 'by', poll, 'claimed', digits(now), 'poll', poll)
    redis.call('HDEL', record, 'at')
    answer = { 'batch', session.number, batch }
  else
    redis.call('HSET', record, 'poll', poll, 'at', gateway)
    answer = { 'wait', left or '' }
  end
  if other then
    polls.wake(clock, other, id)
  end
  return answer
end)
