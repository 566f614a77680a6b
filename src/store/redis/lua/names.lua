-- What the functions of the library share. Keys and topics are built here and nowhere else.
-- All of a function runs inside one Redis command, so every id, revision, backlog and envelope is made in one atomic step,
-- and the order of ids is the order in which every subscriber hears the envelopes.

-- The names of the installation that is called for, set by `enter` at the start of each call: functions of a server run one at a
-- time. `0` is the partition.
local PREFIX, TOPIC, CLOCK, GAPS, RECORDER, STANDBYS

-- Longer than any backlog is kept by default: what has gone with it is not missed (ms).
local RIGHTS_TTL = 7 * 86400000

-- The key that a caller declares names the installation: `sisyphus:{0}`, or `sisyphus:{shop:0}` for the namespace `shop`.
-- Without a key it is `sisyphus:{0}`. Answers an error where the key is something else.
local function enter(key)
  local inner = string.match(key or 'sisyphus:{0}', '^sisyphus:{([%w_.-]*:?0)}$')
  if not inner or (inner ~= '0' and not string.find(inner, '^[%w_.-]+:0$')) then
    return redis.error_reply('BADREQUEST key ' .. key .. ': expected sisyphus:{0}, or sisyphus:{<namespace>:0}')
  end
  PREFIX = 'sisyphus:{' .. inner .. '}:'
  -- No colon: no pattern of plain channels (`*:*`) matches a topic, so an envelope is never taken for a plain PUBLISH.
  TOPIC = 'sisyphus{' .. string.gsub(inner, ':', '/') .. '}/'
  CLOCK, GAPS = PREFIX .. 'clock', PREFIX .. 'gaps'
  RECORDER, STANDBYS = PREFIX .. 'recorder', PREFIX .. 'standbys'
  return nil
end

-- The rules of an ACL with which a caller may use every function.
local function what_is_needed()
  local keys = '~' .. string.sub(PREFIX, 1, -2) .. '* ~user:*:channels'
  return 'expected ' .. keys .. ' &' .. TOPIC .. '* +fcall +@read +@write +publish +info +time'
end

-- Redis itself names neither the key nor what would be right.
local function answer_of(run, args)
  local done, answer = pcall(run, args)
  if done and not (type(answer) == 'table' and answer.err) then
    return answer
  end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  -- The words of Redis 7.0, and of later ones.
  if string.find(text, "executing the script can't", 1, true) or string.find(text, 'ACL failure in script', 1, true) then
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
      return enter(keys[1]) or answer_of(run, args)
    end,
  })
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
