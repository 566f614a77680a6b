-- What is known of a user's rights, as words in texts and not a value each: 20 us a user with 11 channels instead of 27; in the
-- gateway 2 us instead of 12.
local function rights_of(look, version, settled)
  local names, ids, changes = {}, {}, {}
  local scores = redis.call('ZRANGE', look.known, 0, -1, 'WITHSCORES')
  for i = 1, #scores, 2 do
    names[#names + 1] = scores[i]
    ids[#ids + 1] = digits(tonumber(scores[i + 1]))
  end
  for _, member in ipairs(redis.call('ZRANGE', look.log, 0, -1)) do
    changes[#changes + 1] = string.match(member, '^%.?(.+)/%d+$')
  end
  return {
    version, look.problem or '', table.concat(names, ' '), table.concat(ids, ' '), '',
    table.concat(changes, ','), settled and '' or 'unsettled',
  }
end

-- Whether a plain PUBLISH may still come to be recorded. After a minute without an owner nobody is about to record.
local function is_recording(clock, recorder)
  return recorder.id >= 0 and math.abs(recorder.expires) + 60000000 > clock.now
end

-- Whether every change stands where it will stay: none was seen so lately that a plain PUBLISH of before may not be recorded yet,
-- but those that were made and told in one step.
local function is_settled(look, recorder)
  local late = redis.call('ZRANGEBYSCORE', look.log, '(' .. digits(math.max(recorder.id, 0)), '+inf', 'WITHSCORES')
  for i = 1, #late, 2 do
    local at, from = string.match(late[i], '/(%d+)%.0/(%d+)$')
    if at and from ~= at then
      return false
    end
  end
  return true
end

-- Keys of users who never come back go; those of others stay.
local function renew(look, clock)
  local ttl = math.max(RIGHTS_TTL, 2 * clock.ttl)
  if redis.call('PTTL', look.log) < ttl / 2 then
    redis.call('PEXPIRE', look.known, ttl)
    redis.call('PEXPIRE', look.log, ttl)
  end
end

-- Looks at a list of which no message tells. A change that it finds is told on the user's topic, by an envelope with revision 0 and
-- no text, so that it has its place among the messages for everybody who hears them.
local function look_alone(user, clock)
  local look = look_at_list(user)
  if not look.version then
    begin_rights(look)
    look.version = string.match(conclude(look, digits(clock.last), clock), ' (%d+)')
  elseif differs(look) then
    local head = redis.call('GET', PREFIX .. 'channel:user:' .. user .. ':msg_last')
    local from = math.max(tonumber(look.version), tonumber(head or 0) or 0)
    local id = digits(next_id(clock))
    take_over(look, id, id .. '.0', digits(from))
    say(clock, topic_of('user:' .. user), id .. ' 0 0 - - - ' .. conclude(look, id, clock) .. '\n')
    look.version = id
  end
  look.version = digits(tonumber(look.version))
  return look
end

-- FCALL sisyphus_rights 1 <key> look (<user> <known version or '-'>)*
--   ->  for each user: nil (still that version), or what is wrong with the list of that version, or
--       [version, problem or '', 'channel …', 'id it was granted with, or 0 …', '', 'change,…', 'unsettled' or '']
-- The changes are those of the last while, as in rights-change.ts, the first seen first. Unsettled: a plain PUBLISH that is not recorded
-- yet may move one of them to its own place (see sisyphus_settle).
define('rights', { 'allow-oom' }, function(args)
  local clock = read_clock()
  local last, recorder = clock.last, nil
  local answer = {}
  for i = 2, #args, 2 do
    local look = look_alone(args[i], clock)
    renew(look, clock)
    if look.version == args[i + 1] then
      answer[#answer + 1] = look.problem or false
    else
      recorder = recorder or read_recorder(clock)
      answer[#answer + 1] = rights_of(look, look.version, not is_recording(clock, recorder) or is_settled(look, recorder))
    end
  end
  if clock.last ~= last then
    save(clock)
  end
  return answer
end)

-- FCALL sisyphus_settle 1 <key>  ->  id, or 0 if nobody records plain PUBLISHes
-- Asks the recorder to say on the topic `@settled` when everything is recorded that was published plainly before this call.
define('settle', { 'allow-oom' }, function()
  local clock = read_clock()
  if not is_recording(clock, read_recorder(clock)) then
    return '0'
  end
  local id = digits(next_id(clock))
  say(clock, TOPIC .. '@settle', id)
  save(clock)
  return id
end)
