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
  sync_rights(read_rights(user), clock.last)
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
  local names, places, marks, announced = {}, {}, {}, {}
  local scores = redis.call('ZRANGE', known, 0, -1, 'WITHSCORES')
  for i = 1, #scores, 2 do
    local name, place = scores[i], digits(tonumber(scores[i + 1]))
    if string.sub(name, 1, 1) == '@' then
      marks[name] = place
    else
      names[#names + 1] = name
      places[#places + 1] = place
    end
  end
  for mark, place in pairs(marks) do
    local name = string.match(mark, '^@after:(.+)')
    local by = name and marks['@by:' .. name]
    if by then
      announced[#announced + 1] = name .. ' ' .. place .. ' ' .. by
    end
  end
  return { version, problem or '', table.concat(names, ' '), table.concat(places, ' '), table.concat(announced, ' ') }
end

-- Whether something on the list was not announced yet.
local function has_unannounced(rights)
  for _, name in ipairs(rights.added) do
    if is_channel(name) then
      return true
    end
  end
  return false
end

-- Whether a plain PUBLISH that is not recorded yet may have announced what is on the list, so that where it counts from is
-- not known: the list changed with nothing (`@looked`: when that was seen first) or with a script publish (`@unsettled`)
-- that does not say so. It is known once everything up to there is recorded.
local function is_unsettled(rights, clock, recorder)
  if rights.version == '0' then
    return false
  end
  local since = rights.unsettled
  if has_unannounced(rights) then
    since = rights.looked or clock.last + 1
    rights.looked = since
    redis.call('ZADD', rights.known, 'NX', digits(since), '@looked')
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
--       [version, problem or '', 'channel …', 'granted at …', 'channel <id before the plain PUBLISH that announced it> <its id> …']
-- Words in a text, not a value each, and one pass over the rights: 20 us a user with 11 channels instead of 27, and 30 instead
-- of 37 where the user was not known; in the gateway 2 us instead of 12.
-- What is settled without a message counts from the last time somebody looked.
redis.register_function({
  function_name = 'sisyphus_rights',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    local clock = read_clock()
    local recorder, recording
    local answer = {}
    for i = 2, #args, 2 do
      local rights = read_rights(args[i])
      local unsettled = false
      if args[1] == 'look' then
        recorder = recorder or read_recorder(clock)
        if is_unsettled(rights, clock, recorder) then
          if recording == nil then
            recording = is_recording(clock, recorder)
          end
          unsettled = recording
        end
      end
      if unsettled then
        answer[#answer + 1] = 'unsettled'
      else
        local _, now, _, problem = sync_rights(rights, clock.last)
        redis.call('PEXPIRE', rights.known, math.max(RIGHTS_TTL, 2 * clock.ttl))
        if now == args[i + 1] then
          answer[#answer + 1] = false
        else
          answer[#answer + 1] = rights_of(rights.known, now, problem)
        end
      end
    end
    return answer
  end,
})
