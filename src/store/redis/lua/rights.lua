-- What the application lists at `user:<id>:channels`, and what is known of it.

-- The names on `user:<id>:channels` where it is a list, which ZDIFF does not read.
local function difference_of_list(list, known)
  local added, removed, on_list = {}, {}, {}
  for _, name in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if not on_list[name] then
      on_list[name] = true
      if not redis.call('ZSCORE', known, name) then
        added[#added + 1] = name
      end
    end
  end
  for _, name in ipairs(redis.call('ZRANGE', known, 0, -1)) do
    if not on_list[name] then
      removed[#removed + 1] = name
    end
  end
  return added, removed
end

-- What is on the list and not in `known`, what is the other way round, and what is wrong with the list.
local function difference(list, known)
  local added = redis.pcall('ZDIFF', 2, list, known)
  if not added.err then
    return added, redis.call('ZDIFF', 2, known, list)
  end
  if redis.call('TYPE', list).ok == 'list' then
    return difference_of_list(list, known)
  end
  return {}, redis.call('ZRANGE', known, 0, -1), 'is a ' .. redis.call('TYPE', list).ok
end

-- What is known of a user's rights, and how the list differs from it.
local function read_rights(user)
  local list = list_of(user)
  local known = PREFIX .. 'user:' .. user .. ':rights'
  local scores = redis.pcall('ZMSCORE', known, '@version', '@synced', '@unsettled', '@looked')
  if scores.err and is_mistyped(known, 'zset') then
    -- Something else is there: nothing is known.
    redis.call('DEL', known)
    scores = {}
  elseif scores.err then
    error(scores)
  end
  local added, removed, problem = difference(list, known)
  return {
    known = known,
    version = scores[1] or '0',
    synced = tonumber(scores[2] or scores[1]),
    unsettled = tonumber(scores[3] or 0),
    looked = tonumber(scores[4] or nil),
    added = added,
    removed = removed,
    problem = problem,
  }
end

local function put(scores, score, name)
  scores[#scores + 1] = score
  scores[#scores + 1] = name
end

-- ZADD of scores and names, however many: one for the 11 channels of a list is 2.6 us, one for each 6.1.
local function add_scores(key, scores)
  for from = 1, #scores, 1000 do
    redis.call('ZADD', key, unpack(scores, from, math.min(from + 999, #scores)))
  end
end

-- Brings `…:rights` (channel -> the position it was granted at) up to the list of the application, and answers the
-- version before, the version now, and the changes as the envelope carries them. `rights`: as read_rights answers.
-- `cause.after`: the change came with a plain PUBLISH, and stands behind that id (`@after:<channel>`, and `@by:<channel>` for
-- its own id). `cause.atomic`: it was made in this very command (`@atomic:<channel>`). Without either it may have come with
-- a plain PUBLISH that is not recorded yet (`@unsettled`: see is_unsettled). No cause: nobody has announced it, and nobody
-- is about to.
-- Where nothing was known, everything on the list counts as having always been there: that replays too much at worst.
local function sync_rights(rights, id, cause)
  local known, before, synced, problem = rights.known, rights.version, rights.synced, rights.problem
  local since = before == '0' and '0' or digits(cause and id or synced)
  local after = cause and cause.after
  local changes, scores = {}, {}
  if after then
    -- A message that was recorded between this one's PUBLISH and its record may have been the first to show a grant; the
    -- first plain one that may have announced it counts.
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', known, '(' .. after, '+inf')) do
      if string.sub(name, 1, 1) ~= '@' and not redis.call('ZSCORE', known, '@atomic:' .. name) then
        redis.call('ZADD', known, 'LT', after, '@after:' .. name, digits(id), '@by:' .. name)
      end
    end
  end
  for _, name in ipairs(rights.added) do
    if is_channel(name) then
      put(scores, since, name)
      if after then
        put(scores, after, '@after:' .. name)
        put(scores, digits(id), '@by:' .. name)
      elseif cause and cause.atomic then
        put(scores, since, '@atomic:' .. name)
      end
      changes[#changes + 1] = '+' .. name
    else
      problem = problem or 'has names that are no channels, such as ' .. string.sub(name, 1, 60)
    end
  end
  for _, name in ipairs(rights.removed) do
    if string.sub(name, 1, 1) ~= '@' then
      redis.call('ZREM', known, name, '@after:' .. name, '@by:' .. name, '@atomic:' .. name)
      changes[#changes + 1] = '-' .. name
    end
  end
  local now = before
  if before == '0' or #changes > 0 then
    -- Two looks may find two changes without an id given out between them: a version is never used twice.
    now = digits(math.max(id, tonumber(before) + 1))
  end
  -- To the second: 1.3 us a message.
  if not cause or #changes > 0 or id - (synced or 0) > 1000000 then
    put(scores, now, '@version')
    put(scores, digits(id), '@synced')
  end
  if rights.looked and (not cause or #changes > 0) then
    redis.call('ZREM', known, '@looked')
  end
  if cause and #changes > 0 and not after and not cause.atomic then
    put(scores, now, '@unsettled')
  end
  add_scores(known, scores)
  if before == '0' then
    -- For a user who never connects; who does, has it renewed each time the list is read.
    redis.call('PEXPIRE', known, RIGHTS_TTL)
    return '0', now, '?', problem
  end
  before = digits(tonumber(before))
  now = digits(tonumber(now))
  if #changes == 0 then
    return before, now, '-', problem
  end
  return before, now, #changes > 50 and '?' or table.concat(changes, ','), problem
end
