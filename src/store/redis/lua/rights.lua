-- What the application lists at `user:<id>:channels`, and how that changed.
--
-- A change of the list has no place in Redis's order that anybody could see; what has one is the message that announces it.
-- So a look (with each message on `user:<id>`, and whenever a gateway reads the list) compares the list with what it was at
-- the look before, and each difference becomes a change with a place: at first that of the look with which it was seen; once it is
-- recorded, that of the first plain PUBLISH on `user:<id>` between the two looks, because that one may have announced it.
--
-- `…:user:<id>:rights`: the list as of the last look: channel -> the id of the look with which it was granted, or 0.
-- `…:user:<id>:changes`: the changes, for as long as a backlog is kept: `[.]<sign><channel>/<place>/<id of the look before>` -> the
--   id of the look with which it was seen; `@` -> the version, which is the id of the last change; `#` -> how many channels are known.
--
-- Invariant: what the changes make of the list, each applied at its place, is the list as of the last look. A message is for the
-- user if the list has its channel at the message's own place, however the message and the changes were published.

-- So many changes of a user are kept, and so many are told with one message.
local MOST_CHANGES, MOST_TOLD = 400, 50

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

-- The version, and whether both keys are what the library made of them; `#` in the changes is how many channels are known. If
-- somebody has deleted or damaged one, nothing is known of the user.
local function version_of(log, known)
  local stored = redis.pcall('ZMSCORE', log, '@', '#')
  if not stored.err and stored[1] and redis.pcall('ZCARD', known) == tonumber(stored[2] or -1) then
    return stored[1]
  end
  for _, key in ipairs({ log, known }) do
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'zset' and kind ~= 'none' then
      redis.call('DEL', key)
    end
  end
  return nil
end

-- A look at a user's list. `version` is nil if nothing is known of the user.
local function look_at_list(user)
  local base = PREFIX .. 'user:' .. user
  local look = {
    list = list_of(user),
    known = base .. ':rights',
    log = base .. ':changes',
    scores = {},
    told = {},
  }
  look.version = version_of(look.log, look.known)
  local added, removed, problem = difference(look.list, look.known)
  look.added, look.removed, look.problem = {}, removed, problem
  for _, name in ipairs(added) do
    if is_channel(name) then
      look.added[#look.added + 1] = name
    else
      look.problem = look.problem or 'has names that are no channels, such as ' .. string.sub(name, 1, 60)
    end
  end
  return look
end

local function differs(look)
  return #look.added > 0 or #look.removed > 0
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

-- Takes note of one change, seen with the look `id` and standing at `place`; `from`: the id of the look before.
local function note(look, sign, channel, id, place, from)
  put(look.scores, id, sign .. channel .. '/' .. place .. '/' .. from)
  look.told[#look.told + 1] = sign .. channel .. '/' .. place
end

-- Takes over what the look has found. `place`: `<id>.<number>`.
local function take_over(look, id, place, from)
  local known = {}
  for _, name in ipairs(look.added) do
    put(known, id, name)
    note(look, '+', name, id, place, from)
  end
  add_scores(look.known, known)
  for _, name in ipairs(look.removed) do
    redis.call('ZREM', look.known, name)
    note(look, '-', name, id, place, from)
  end
end

-- The list was changed by this very command: that stands at the command's own place, and nothing else can have announced it.
local function change_here(look, sign, channel, id)
  if sign == '+' then
    redis.call('ZADD', look.known, id, channel)
  else
    redis.call('ZREM', look.known, channel)
  end
  note(look, sign, channel, id, id .. '.0', id)
  -- Behind what the look found of the same channel: equal scores are in the order of bytes, and the dot comes after both signs.
  look.scores[#look.scores] = '.' .. look.scores[#look.scores]
end

-- A plain PUBLISH on the user's channel is recorded: it comes before the looks that saw a change first, if the list had not
-- changed at the look before. Then the change stands at its place.
local function move_to(look, after, number)
  local changes = redis.call('ZRANGEBYSCORE', look.log, '(' .. digits(after), '+inf', 'WITHSCORES')
  for i = 1, #changes, 2 do
    local change, at, was_number, from = string.match(changes[i], '^(.+)/(%d+)%.(%d+)/(%d+)$')
    local is_later = change and (tonumber(at) > after or (tonumber(at) == after and tonumber(was_number) > number))
    if is_later and tonumber(from) <= after then
      local place, was = digits(after) .. '.' .. number, at .. '.' .. was_number
      redis.call('ZREM', look.log, changes[i])
      put(look.scores, digits(tonumber(changes[i + 1])), change .. '/' .. place .. '/' .. from)
      look.told[#look.told + 1] = change .. '/' .. place .. '/' .. was
    end
  end
end

-- Writes what was noted, and answers what an envelope says of it: the version before, the version now, and the changes (see
-- rights-change.ts).
local function conclude(look, id, clock)
  local before = look.version and digits(tonumber(look.version)) or '0'
  if look.version and #look.told == 0 then
    return before .. ' ' .. before .. ' -'
  end
  if look.version then
    redis.call('ZREMRANGEBYSCORE', look.log, '(0', digits(math.max(clock.now - clock.ttl * 1000, 0)))
    redis.call('ZREMRANGEBYRANK', look.log, 0, -MOST_CHANGES)
  end
  put(look.scores, id, '@')
  put(look.scores, redis.call('ZCARD', look.known), '#')
  add_scores(look.log, look.scores)
  if not look.version then
    -- For a user who never connects; it is renewed while the list is read.
    redis.call('PEXPIRE', look.known, RIGHTS_TTL)
    redis.call('PEXPIRE', look.log, RIGHTS_TTL)
  end
  local text = before .. ' ' .. id .. ' ?'
  if not look.version or #look.told > MOST_TOLD then
    return text
  end
  return text .. ' ' .. table.concat(look.told, ',')
end

-- The first look at a user: whatever is on the list counts as having always been there, which replays too much at worst.
local function begin_rights(look)
  local known = {}
  for _, name in ipairs(look.added) do
    put(known, '0', name)
  end
  add_scores(look.known, known)
  for _, name in ipairs(look.removed) do
    redis.call('ZREM', look.known, name)
  end
end

-- The look that comes with a message on `user:<id>`, which has the id `id`; `previous` is the id of the message before it there.
-- `plain`: the place of a plain PUBLISH. `change`: changes the list behind the look, and answers { sign, channel } if it did.
-- Answers what the envelope says.
local function look_with_message(user, clock, id, previous, plain, change)
  local look = look_at_list(user)
  if not look.version then
    begin_rights(look)
  else
    local after, number
    if plain then
      after, number = string.match(plain, '^(%d+)%.(%d+)$')
      after, number = tonumber(after), tonumber(number)
      move_to(look, after, number)
    end
    if differs(look) then
      local from = math.max(tonumber(look.version), tonumber(previous))
      -- Published before the look before this one: then it did not announce what that one had not seen.
      local place = after and after >= from and plain or id .. '.0'
      take_over(look, id, place, digits(from))
    end
  end
  local made = change and change()
  if made then
    change_here(look, made[1], made[2], id)
  end
  return conclude(look, id, clock)
end
