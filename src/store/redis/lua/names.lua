-- What the functions of the library share. Keys and topics are built here and nowhere else.
-- All of a function runs inside one Redis command, so every id, revision, backlog and envelope is made in one atomic step,
-- and the order of ids is the order in which every subscriber hears the envelopes.

-- The names of the installation that is called for: functions of a server run one at a time. `0` is the partition. `enter` sets them
-- at the start of each call, but for TOPIC and LISTS: see use_settings.
local KEY, PREFIX, TOPIC, LISTS, CLOCK, GAPS, RECORDER, STANDBYS, GATEWAYS, SETTINGS
-- What they were made of, so that nothing is made again for the same (1 us a call).
local given, settings

-- Longer than any backlog is kept by default: what has gone with it is not missed (ms).
local RIGHTS_TTL = 7 * 86400000

-- `database`: pub/sub knows no databases, so each has topics of its own; those of 0, and of an unknown one, have no number.
-- `prefix`: what the application's driver puts before the keys of its lists. Both are `false` where the clock has none.
local function use_settings(database, prefix)
  if settings and settings.database == database and settings.prefix == prefix then
    return
  end
  settings = { database = database, prefix = prefix }
  -- No colon: no pattern of plain channels (`*:*`) matches a topic, so an envelope is never taken for a plain PUBLISH.
  TOPIC = string.gsub(string.gsub(KEY, ':', '', 1), ':', '/')
  TOPIC = TOPIC .. ((database or '0') == '0' and '' or '@' .. database) .. '/'
  LISTS = (prefix or '') .. 'user:'
end

-- The key that a caller declares names the installation: `sisyphus:{0}`, or `sisyphus:{shop:0}` for the namespace `shop`.
-- Without a key it is `sisyphus:{0}`. What a driver puts before it does no harm. Answers an error where the key is something else.
local function enter(keys)
  if KEY and keys[1] == given and not keys[2] then
    return nil
  end
  local name = string.match(keys[1] or 'sisyphus:{0}', '^[^{}]*(sisyphus:{[^{}]*})$')
  local namespace = name and string.match(name, '{([%w_.-]+):0}$')
  if keys[2] or not (name == 'sisyphus:{0}' or namespace and #namespace <= 64) then
    return redis.error_reply('BADREQUEST expected one key: sisyphus:{0}, or sisyphus:{<namespace>:0}, such as sisyphus:{shop:0}')
  end
  given, settings = keys[1], nil
  KEY, PREFIX = name, name .. ':'
  CLOCK, GAPS = PREFIX .. 'clock', PREFIX .. 'gaps'
  RECORDER, STANDBYS = PREFIX .. 'recorder', PREFIX .. 'standbys'
  GATEWAYS, SETTINGS = PREFIX .. 'gateways', PREFIX .. 'settings'
  use_settings(false, false)
  return nil
end

-- The rules of an ACL with which a caller may use every function.
local function what_is_needed()
  local keys = '~' .. KEY .. '* ~' .. LISTS .. '*:channels'
  return 'expected ' .. keys .. ' &' .. TOPIC .. '* +fcall +@read +@write +publish +info +time'
end

-- The words of Redis 7.0, and of later ones.
local function is_denied(text)
  return string.find(text, "executing the script can't", 1, true) or string.find(text, 'ACL failure in script', 1, true)
end

-- Redis itself names neither the key nor what would be right.
local function answer_of(run, args)
  local done, answer = pcall(run, args)
  if done and not (type(answer) == 'table' and answer.err) then
    return answer
  end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  if is_denied(text) then
    text = 'NOPERM ' .. string.gsub(text, '^%u+ ', '') .. '; ' .. what_is_needed()
  end
  return redis.error_reply(text)
end

-- A function of the library: `run` is given the arguments. Every one takes the key of its installation, or none.
local function define(name, flags, run)
  redis.register_function({
    function_name = 'sisyphus_' .. name,
    flags = flags,
    callback = function(keys, args)
      return enter(keys) or answer_of(run, args)
    end,
  })
end

-- What would be right of a call: for whoever calls by hand.
local function bad_request(name, parameters)
  return redis.error_reply('BADREQUEST expected FCALL sisyphus_' .. name .. ' 1 ' .. KEY .. ' ' .. parameters)
end

-- tostring would write 1.7952064671235e+15.
local function digits(number)
  return string.format('%d', number)
end

-- Whether the key holds something else than what the library keeps there.
local function is_mistyped(key, expected)
  local is = redis.call('TYPE', key).ok
  return is ~= 'none' and is ~= expected
end

local function topic_of(channel)
  return TOPIC .. string.gsub(channel, ':', '/')
end

-- The application's: a set, list or sorted set of the channels that the user may follow.
local function list_of(user)
  return LISTS .. user .. ':channels'
end

local function is_user(id)
  return #id >= 1 and #id <= 128 and not string.find(id, '[^%w_.@+|-]')
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
