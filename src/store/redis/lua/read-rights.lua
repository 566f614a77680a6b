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
define('rights', { 'allow-oom' }, function(args)
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
end)
