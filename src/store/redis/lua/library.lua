-- What the functions of the library share. Keys are built here and nowhere else; `{0}` is the partition.
-- All of it runs inside one Redis command, so every id, revision, backlog and envelope is made in one atomic step,
-- and the order of ids is the order in which every subscriber hears the envelopes.

local PREFIX = 'sisyphus:{0}:'
-- No colon: no pattern of plain channels (`*:*`) matches a topic, so an envelope is never taken for a plain PUBLISH.
local TOPIC = 'sisyphus{0}/'

-- Longer than any backlog is kept by default: what has gone with it is not missed (ms).
local RIGHTS_TTL = 7 * 86400000

local CLOCK = PREFIX .. 'clock'
local GAPS = PREFIX .. 'gaps'
local RECORDER = PREFIX .. 'recorder'
local STANDBYS = PREFIX .. 'standbys'

-- tostring would write 1.7952064671235e+15.
local function digits(number)
  return string.format('%d', number)
end

local function topic_of(channel)
  return TOPIC .. string.gsub(channel, ':', '/')
end

local function is_user(id)
  return #id >= 1 and #id <= 128 and not string.find(id, '[^%w_.@+-]')
end

local function user_of(channel)
  if string.sub(channel, 1, 5) ~= 'user:' then
    return nil
  end
  local user = string.sub(channel, 6)
  return is_user(user) and user or nil
end

local function is_channel(name)
  if #name < 1 or string.sub(name, 1, 9) == 'sisyphus:' then
    return false
  end
  if #name <= 128 and not string.find(name, '[^%w_.:-]') then
    return true
  end
  return user_of(name) ~= nil
end

-- Every PUBLISH of the library but that of a new life goes through here and is counted: see plain_publishes.
local function say(clock, topic, text)
  clock.said = clock.said + 1
  redis.call('PUBLISH', topic, text)
end

-- A hole in the order that no backlog shows: readers whose position lies in it, or before it, are told. Gateways find it
-- with their next mark.
local function write_gap(reason, from, to)
  local gap = reason .. ' ' .. digits(from) .. ' ' .. digits(to)
  redis.call('RPUSH', GAPS, gap)
  redis.call('LTRIM', GAPS, -32, -1)
  return gap
end

local function publish_calls()
  return tonumber(string.match(redis.call('INFO', 'commandstats'), 'cmdstat_publish:calls=(%d+)') or 0)
end

-- How many PUBLISHes there have been that this library did not make, in this life of the server (25 us):
-- `<life>:<number>`. Who has heard as many between two moments has missed none. RESETSTAT between them makes the numbers
-- disagree, which proves nothing.
local function plain_publishes(clock)
  return clock.life .. ':' .. digits(publish_calls() - clock.said)
end

-- id = max(previous + 1, Redis clock in microseconds): strictly rising, also when the clock is set back.
local function next_id(clock)
  clock.last = math.max(clock.last + 1, clock.now)
  return clock.last
end

local function save(clock)
  redis.call('HSET', CLOCK, 'last', digits(clock.last), 'said', digits(clock.said))
end

-- Changes with every promotion. It is read again after 20 ms, which spares 2.5 of 23 us a message: a server that is promoted
-- has run no function for longer than that.
local replid, replid_until = nil, 0
local function replication_id(now)
  if now > replid_until or now < replid_until - 20000 then
    replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    replid_until = now + 20000
  end
  return replid
end

-- The clock, and what the gateways have configured. A store without one begins a new life here (`born`).
-- Where a replica was promoted, what the old master gave out after the last id that this node has is lost, and positions
-- between the two are of a branch that no longer exists.
local function read_clock()
  local stored = redis.call('HMGET', CLOCK, 'last', 'born', 'replid', 'length', 'ttl', 'rules', 'max', 'said')
  local time = redis.call('TIME')
  local clock = {
    now = tonumber(time[1]) * 1000000 + tonumber(time[2]),
    last = tonumber(stored[1] or nil),
    born = stored[2],
    length = tonumber(stored[4] or 100),
    ttl = tonumber(stored[5] or 86400000),
    rules = stored[6] or '',
    max = tonumber(stored[7] or 262144),
    said = tonumber(stored[8] or 0),
  }
  local replid = replication_id(clock.now)
  clock.life = string.sub(replid, 1, 8)
  if not clock.last then
    clock.last = clock.now
    clock.born = digits(clock.now)
    -- Before anything of this life: who has heard of the one before must not take what comes for its continuation. Where the
    -- ACL denies it to a publisher, it is not counted, and gateways find the new life with their next mark.
    redis.pcall('PUBLISH', TOPIC .. '@gap', 'born ' .. clock.born)
    clock.said = publish_calls()
    redis.call('HSET', CLOCK, 'last', clock.born, 'born', clock.born, 'replid', replid, 'said', digits(clock.said))
  elseif stored[3] ~= replid then
    local ended = clock.last
    redis.call('HSET', CLOCK, 'replid', replid)
    -- A server that has started since the last id has only counted plain PUBLISHes yet; a replica that was promoted has
    -- counted with its master.
    local uptime = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)') or 0)
    clock.said = clock.now - ended > uptime * 1000000 and 0 or publish_calls()
    write_gap('forked', ended, next_id(clock))
    save(clock)
    -- What they stood by on has ended too.
    redis.call('DEL', STANDBYS)
  end
  return clock
end

-- `sisyphus:{0}:recorder`: owner, expires (us; negative: given back then), returns (1: by one that only lost its connection),
-- patterns, id and number (everything up to this place is recorded), count (how many plain PUBLISHes there had been at
-- that place, see plain_publishes).
local function read_recorder(clock)
  local stored = redis.call('HMGET', RECORDER, 'owner', 'expires', 'id', 'number', 'patterns', 'count', 'returns')
  local expires, count = tonumber(stored[2] or 0), stored[6] or ''
  -- Given back means that all of it was recorded that was heard in an earlier life: in this one counting begins anew.
  if expires <= 0 and string.sub(count, 1, #clock.life) ~= clock.life then
    count = clock.life .. ':0'
  end
  return {
    owner = stored[1],
    expires = expires,
    id = tonumber(stored[3] or -1),
    number = tonumber(stored[4] or 0),
    patterns = stored[5],
    count = count,
    returns = stored[7] == '1',
  }
end

local function matches(glob, name)
  local pattern = string.gsub(glob, '[%^%$%(%)%%%.%+%-%*%?]', function(c)
    if c == '*' then
      return '.*'
    elseif c == '?' then
      return '.'
    end
    return '%' .. c
  end)
  return string.find(name, '^' .. pattern .. '$') ~= nil
end

-- `rules` is `sticker:*=1 room:*=500`; the first that matches counts.
local function length_for(clock, channel)
  if clock.rules ~= '' then
    for glob, length in string.gmatch(clock.rules, '(%S+)=(%d+)') do
      if matches(glob, channel) then
        return length
      end
    end
  end
  return clock.length
end

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
  local list = 'user:' .. user .. ':channels'
  local known = PREFIX .. 'user:' .. user .. ':rights'
  local scores = redis.call('ZMSCORE', known, '@version', '@synced', '@unsettled', '@looked')
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

-- Records one message: id, revision, backlog, envelope. `plain`: the place of a plain PUBLISH, see recorder.lua.
-- `atomic`: the list of the user was changed in this very command.
-- Appends before it publishes: what cannot be recorded is not delivered either. Answers id and revision, or an error.
local function append(clock, channel, data, options)
  local base = PREFIX .. 'channel:' .. channel
  local backlog = base .. ':msg_backlog'
  local id = digits(next_id(clock))
  local user = user_of(channel)
  local revision = redis.call('INCR', base .. ':msg_id')
  local previous = redis.call('GETSET', base .. ':msg_last', id) or '0'
  local plain, event = options.plain, options.event
  local flags = options.oversize and 'o' or options.atomic and 'a' or '-'
  local header = id .. ' ' .. revision .. ' ' .. previous .. ' ' .. (plain or '-') .. ' ' .. flags .. ' '
  header = header .. (event and '=' .. event or '-')
  if user then
    local cause = { after = plain and string.match(plain, '^%d+'), atomic = options.atomic }
    local before, now, changes = sync_rights(read_rights(user), clock.last, cause)
    header = header .. ' ' .. before .. ' ' .. now .. ' ' .. changes
  end
  local envelope = header .. '\n' .. data
  local added = redis.pcall('XADD', backlog, 'MAXLEN', length_for(clock, channel), id .. '-0', 'm', envelope)
  if added.err then
    -- As if nothing had happened: a hole in the revisions would look like a loss.
    redis.call('DECR', base .. ':msg_id')
    redis.call('SET', base .. ':msg_last', previous)
    return nil, added
  end
  -- Every 16th time, or where the one before is so old that 16 of them may take 1 % of the time (2 us a message). Readers go
  -- by the age of each message: one that is there too long is not read, and a key that went before its last message would
  -- make what has expired look trimmed.
  if revision % 16 == 0 or clock.last - tonumber(previous) > clock.ttl * 0.625 then
    redis.call('XTRIM', backlog, 'MINID', digits(clock.now - clock.ttl * 1000))
    redis.call('PEXPIRE', backlog, math.ceil(clock.ttl * 1.01) + 1000)
  end
  say(clock, topic_of(channel), envelope)
  return id, revision
end

-- Does it, unless it was done under this key ('': none): then answers as it did, or CONFLICT where the fingerprint is another.
-- `ms`: how long that is remembered. `run` answers a list of texts, or an error.
local function once(key, fingerprint, ms, run)
  if key == '' then
    return run()
  end
  local remembered = PREFIX .. 'idempotency:' .. key
  local known = redis.call('GET', remembered)
  if known then
    local result = cjson.decode(known)
    if result.fingerprint ~= fingerprint then
      return redis.error_reply('CONFLICT this key was used for another request')
    end
    return result.answer
  end
  local answer = run()
  if not answer.err then
    redis.call('SET', remembered, cjson.encode({ fingerprint = fingerprint, answer = answer }), 'PX', ms)
  end
  return answer
end

-- What would be right, for whoever publishes by hand; `nil` where nothing is wrong.
local function problem_with(clock, channel, data, event)
  if not is_channel(channel) then
    return redis.error_reply('BADCHANNEL 1 to 128 of A-Z a-z 0-9 _ . : - are right, such as room:918; sisyphus: is reserved')
  end
  if #data > clock.max then
    return redis.error_reply('TOOLARGE ' .. #data .. ' bytes; a message may have ' .. clock.max)
  end
  if event and (#event > 128 or #event < 1 or string.find(event, '[^%w_.:-]')) then
    return redis.error_reply('BADEVENT 1 to 128 of A-Z a-z 0-9 _ . : - are right')
  end
  if event == 'reset' or event == 'open' or event == 'error' or event == 'message' then
    return redis.error_reply('BADEVENT reset, open, error and message mean something else to an EventSource')
  end
  return nil
end
