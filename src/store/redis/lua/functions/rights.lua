-- FCALL sisyphus_rights 1 <key> look (<user> <version>)*
-- Compares the lists of users with what is known of them, and answers the rights of those whose version the caller does not have.
-- Keys: the clock and the recorder; for each user the list, the rights, the changes and the last id of `user:<user>`.
-- Arguments: the word `look`; for each user the version that the caller knows, or `-`.
-- Result: for each user `nil` (still that version), or a text (still that version; what is wrong with the list), or
--   [version, what is wrong or '', 'channel …', 'id with which each was granted, or 0 …', '', 'change,…', 'unsettled' or ''].
--   The changes are those of the last while, the first one found first, as in message/rights-change.ts. Unsettled: a plain PUBLISH that is
--   not recorded yet may move one of them to its own place (see sisyphus_settle).
-- Errors: only those of every function.

-- Asks for all that a comparison without a message changes and publishes, and for what an answer reads.
local function require_comparison(user)
  require_rights(user)
  require_permissions(user_key(user, 'changes'), { 'ZRANGE', 'PTTL' })
  require_permission('GET', last_id_key('user:' .. user))
  require_permission('PUBLISH', topic_of('user:' .. user))
end

-- Compares a list without a message. A change is published on the user's topic in an envelope with revision 0 and no text, so that it has
-- its place among the messages for everybody who receives them.
local function compare_alone(user, clock)
  local diff = compare_list(user)
  if not diff.version then
    begin_rights(diff)
    diff.version = string.match(write_changes(diff, digits(clock.last), clock), ' (%d+)')
  elseif has_changed(diff) then
    local from = last_comparison(diff, redis.call('GET', last_id_key('user:' .. user)))
    local id = digits(next_id(clock))
    adopt_list(diff, id, id .. '.0', digits(from))
    publish(clock, topic_of('user:' .. user), id .. ' 0 0 - - - ' .. write_changes(diff, id, clock) .. '\n')
    diff.version = id
  elseif clock.last > last_comparison(diff, 0) then
    -- A plain PUBLISH from before this comparison cannot announce a change that comes after it.
    redis.call('ZADD', diff.changes, digits(clock.last), '=')
  end
  diff.version = digits(tonumber(diff.version))
  return diff
end

-- Keeps what is known of a user for as long as somebody reads it; of other users it expires.
local function renew_rights(diff, clock)
  local ttl = math.max(RIGHTS_TTL, 2 * clock.ttl)
  if redis.call('PTTL', diff.changes) < ttl / 2 then
    redis.call('PEXPIRE', diff.rights, ttl)
    redis.call('PEXPIRE', diff.changes, ttl)
  end
end

-- Whether every change has its final place: a change that was found since the last recorded place may still be announced by a plain PUBLISH,
-- unless one call has both made and told it.
local function is_settled(diff, recorder)
  local late = redis.call('ZRANGEBYSCORE', diff.changes, '(' .. digits(math.max(recorder.id, 0)), '+inf', 'WITHSCORES')
  for i = 1, #late, 2 do
    local at, from = string.match(late[i], '/(%d+)%.0/(%d+)$')
    if at and from ~= at then
      return false
    end
  end
  return true
end

define('rights', { 'allow-oom' }, function(args)
  local clock = read_clock()
  begin_if_due(clock)
  local last, recorder = clock.last, read_recorder(clock) or forget_recorder(clock)
  local answer = {}
  require_permission('HSET', CLOCK)
  for i = 2, #args, 2 do
    require_comparison(args[i])
  end
  for i = 2, #args, 2 do
    local diff = compare_alone(args[i], clock)
    renew_rights(diff, clock)
    if diff.version == args[i + 1] then
      answer[#answer + 1] = diff.problem or false
    else
      local settled = not is_recording(clock, recorder) or is_settled(diff, recorder)
      answer[#answer + 1] = answer_of_rights(diff, diff.version, settled)
    end
  end
  if clock.last ~= last then
    save_clock(clock)
  end
  return answer
end)
