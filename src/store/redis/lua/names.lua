-- What one installation calls its keys and its pub/sub topics. A name that several files need is built here; keys.ts is the JavaScript side.

-- The functions of a server run one at a time, so these are the names of the installation that is being called: `enter` sets them at the
-- start of each call. TOPIC and LISTS also depend on the location, which is known once the clock has been read (see location.lua).
local KEY, PREFIX, CHANNELS, TOPIC, LISTS, CLOCK, GAPS, RECORDER, STANDBYS, GATEWAYS, SETTINGS
local DISCONNECTS
-- The declared key and the location that the names were built from last. The same ones are not built again, which saves 1 us a call.
local declared, location

-- `database` is part of the topics, because pub/sub knows no databases; topics of database 0, or of an unknown one, have no number.
-- `prefix` is what the application's driver puts before the keys of its lists. Each is `false` if it is not known.
local function use_location(database, prefix)
  if location and location.database == database and location.prefix == prefix then
    return
  end
  location = { database = database, prefix = prefix }
  -- A topic has no colon: so no pattern of plain channels (`*:*`) matches it, and no envelope is taken for a plain PUBLISH.
  TOPIC = string.gsub(string.gsub(KEY, ':', '', 1), ':', '/')
  TOPIC = TOPIC .. ((database or '0') == '0' and '' or '@' .. database) .. '/'
  LISTS = (prefix or '') .. 'user:'
end

-- Sets the names for the declared key: `sisyphus:{0}`, or `sisyphus:{shop:0}` for the namespace `shop`; `0` is the partition. Without a
-- key it is `sisyphus:{0}`. A driver may have put a prefix before the key. Answers an error if the key is anything else.
local function enter(keys)
  if KEY and keys[1] == declared and not keys[2] then
    return nil
  end
  local name = string.match(keys[1] or 'sisyphus:{0}', '^[^{}]*(sisyphus:{[^{}]*})$')
  local namespace = name and string.match(name, '{([%w_.-]+):0}$')
  if keys[2] or not (name == 'sisyphus:{0}' or namespace and #namespace <= 64) then
    return redis.error_reply('BADREQUEST expected one key: sisyphus:{0}, or sisyphus:{<namespace>:0}, such as sisyphus:{shop:0}')
  end
  declared, location = keys[1], nil
  KEY, PREFIX = name, name .. ':'
  CHANNELS = PREFIX .. 'channel:'
  CLOCK, GAPS = PREFIX .. 'clock', PREFIX .. 'gaps'
  RECORDER, STANDBYS = PREFIX .. 'recorder', PREFIX .. 'standbys'
  GATEWAYS, SETTINGS = PREFIX .. 'gateways', PREFIX .. 'settings'
  DISCONNECTS = PREFIX .. 'disconnects'
  use_location(false, false)
  return nil
end

-- The revision of a channel's last message.
local function revision_key(channel)
  return CHANNELS .. channel .. ':msg_id'
end

-- The id of a channel's last message.
local function last_id_key(channel)
  return CHANNELS .. channel .. ':msg_last'
end

-- The same for the channels that are named at `args[from]`, `args[from + step]`, … up to `args[to]`; one call for each would take longer.
local function last_id_keys(args, from, to, step)
  local keys = {}
  for i = from, to, step do
    keys[#keys + 1] = CHANNELS .. args[i] .. ':msg_last'
  end
  return keys
end

local function backlog_key(channel)
  return CHANNELS .. channel .. ':msg_backlog'
end

-- `part`: `rights` or `changes`, see rights.lua.
local function user_key(user, part)
  return PREFIX .. 'user:' .. user .. ':' .. part
end

-- The topic of a channel's envelopes.
local function topic_of(channel)
  return TOPIC .. string.gsub(channel, ':', '/')
end

-- The application's key: a set, list or sorted set of the channels that the user may follow.
local function list_of(user)
  return LISTS .. user .. ':channels'
end
