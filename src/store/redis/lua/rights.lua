-- The list of a user is the application's: a set, list or sorted set at `user:<id>:channels`.

local function change(args, name, apply)
  local user, channel = args[1], args[2]
  if not channel or #args > 3 then
    return redis.error_reply('BADREQUEST FCALL sisyphus_' .. name .. ' 0 <user> <channel> [<data>] is right')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER 1 to 128 of A-Z a-z 0-9 _ . @ + - are right, such as 7')
  end
  local data = args[3] or '<message><' .. name .. '><channel>' .. channel .. '</channel></' .. name .. '></message>'
  local clock = read_clock()
  local problem = problem_with(clock, channel, data, nil)
  if problem then
    return problem
  end
  local list = 'user:' .. user .. ':channels'
  local kind = redis.call('TYPE', list).ok
  if kind ~= 'none' and kind ~= 'set' and kind ~= 'list' and kind ~= 'zset' then
    return redis.error_reply('WRONGTYPE ' .. list .. ' is a ' .. kind .. '; a set, list or sorted set is right')
  end
  -- So that the change is told apart from what was on the list before anybody looked.
  sync_rights(user, clock.last)
  apply(kind, list, channel)
  local id, revision = append(clock, 'user:' .. user, data, { atomic = true })
  save(clock)
  if not id then
    return revision
  end
  return { id, revision }
end

local function add(kind, list, channel)
  if kind == 'list' then
    if not redis.call('LPOS', list, channel) then
      redis.call('RPUSH', list, channel)
    end
  elseif kind == 'zset' then
    redis.call('ZADD', list, 'NX', 0, channel)
  else
    redis.call('SADD', list, channel)
  end
end

local function remove(kind, list, channel)
  if kind == 'list' then
    redis.call('LREM', list, 0, channel)
  elseif kind == 'zset' then
    redis.call('ZREM', list, channel)
  elseif kind == 'set' then
    redis.call('SREM', list, channel)
  end
end

-- FCALL sisyphus_grant 0 <user> <channel> [<data>]  ->  [id, revision] of the message on `user:<user>`
redis.register_function('sisyphus_grant', function(keys, args)
  return change(args, 'grant', add)
end)

-- FCALL sisyphus_revoke 0 <user> <channel> [<data>]  ->  [id, revision] of the message on `user:<user>`
redis.register_function('sisyphus_revoke', function(keys, args)
  return change(args, 'revoke', remove)
end)

-- FCALL sisyphus_change 0 <idempotency key> <fingerprint> <ms to remember> <grant|revoke> <user> <channel> [<data>]
--   ->  [id, revision]: as the two above, once
redis.register_function('sisyphus_change', function(keys, args)
  return once(args[1], args[2], args[3], function()
    local answer = change({ args[5], args[6], args[7] }, args[4], args[4] == 'grant' and add or remove)
    return answer.err and answer or { answer[1], tostring(answer[2]) }
  end)
end)

local function rights_of(known, version, problem)
  local rights, score_of = { version, problem or '' }, {}
  local scores = redis.call('ZRANGE', known, 0, -1, 'WITHSCORES')
  for i = 1, #scores, 2 do
    score_of[scores[i]] = digits(tonumber(scores[i + 1]))
  end
  for i = 1, #scores, 2 do
    local name = scores[i]
    if string.sub(name, 1, 1) ~= '@' then
      rights[#rights + 1] = name
      rights[#rights + 1] = score_of[name]
      rights[#rights + 1] = score_of['@after:' .. name] or ''
      rights[#rights + 1] = score_of['@by:' .. name] or ''
    end
  end
  return rights
end

-- Whether something on the list was not announced yet.
local function has_unannounced(list, known)
  for _, name in ipairs((difference(list, known))) do
    if is_channel(name) then
      return true
    end
  end
  return false
end

-- Whether a plain PUBLISH that is not recorded yet may have announced what is on the list, so that where it counts from is
-- not known: the list changed with nothing (`@looked`: when that was seen first) or with a script publish (`@unsettled`)
-- that does not say so. It is known once everything up to there is recorded.
local function is_unsettled(user, clock, recorder)
  local known = PREFIX .. 'user:' .. user .. ':rights'
  local scores = redis.call('ZMSCORE', known, '@version', '@unsettled', '@looked')
  if not scores[1] then
    return false
  end
  local since = tonumber(scores[2] or 0)
  if has_unannounced('user:' .. user .. ':channels', known) then
    since = tonumber(scores[3] or clock.last + 1)
    redis.call('ZADD', known, 'NX', digits(since), '@looked')
  end
  return recorder.id < since
end

-- Whether a plain PUBLISH may still come to be recorded. After a minute without an owner nobody is about to record; the
-- owner of a Redis that stood still for less has only been silent.
local function is_recording(clock, recorder)
  return math.abs(recorder.expires) + 60000000 > clock.now and recorder.count ~= plain_publishes(clock)
end

-- FCALL sisyphus_rights 0 <look|settle> (<user> <known version or '-'>)*
--   ->  for each user: nil (still that version), 'unsettled' (only where one looks: ask again in a moment), or
--       [version, problem or '', channel, granted at, <id before the plain PUBLISH that announced it> or '', <its id> or '', …]
-- What is settled without a message counts from the last time somebody looked.
redis.register_function({
  function_name = 'sisyphus_rights',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    local clock = read_clock()
    local recorder, recording
    local answer = {}
    for i = 2, #args, 2 do
      local user = args[i]
      local unsettled = false
      if args[1] == 'look' then
        recorder = recorder or read_recorder(clock)
        if is_unsettled(user, clock, recorder) then
          if recording == nil then
            recording = is_recording(clock, recorder)
          end
          unsettled = recording
        end
      end
      if unsettled then
        answer[#answer + 1] = 'unsettled'
      else
        local known = PREFIX .. 'user:' .. user .. ':rights'
        local _, now, _, problem = sync_rights(user, clock.last)
        redis.call('PEXPIRE', known, math.max(RIGHTS_TTL, 2 * clock.ttl))
        if now == args[i + 1] then
          answer[#answer + 1] = false
        else
          answer[#answer + 1] = rights_of(known, now, problem)
        end
      end
    end
    return answer
  end,
})
