-- FCALL sisyphus_streams 1 <key> <gateway> <turn> <begin|keep|leave> <limit> [<user> <held> <wanted> …] [<streams>]
-- Counts the streams of each user over all gateways, and says how many more a user may have.
-- Keys: the streams of each gateway, and the list of the gateways that have some.
-- Arguments: the name of the gateway; the turn, which the gateway names anew with each `begin`; `begin` (the gateway will report all of its
--   users), `keep` (it has), or `leave` (it is being stopped: its streams count no longer); the most streams of a user. In one text, with
--   spaces between: users, how many streams each has at this gateway, and how many it wants to have besides. Then how many streams the
--   gateway has in all, `-` if nobody should be sent to it, or nothing, as gateways of the version before do.
-- Result: [how many gateways live, 1 if a user of this gateway was refused a stream elsewhere since its last call or 0, (place of a user in
--   the text, how many of its wanted streams are admitted)*], without those users whose streams are all admitted; if the gateway says how
--   many streams it has: `fleet`, how many gateways say so, how many streams they have together, and how many the one with the fewest has]. Or [`lost`]: the store does not know this turn of this gateway; nothing was changed, and the gateway has to
--   begin anew.
-- Errors: only those of every function.
--
-- Invariant: if a stream is admitted, the user has no more than `limit` streams by what the gateways that live have reported.

-- A gateway that has not called for so long (ms) is taken for dead, and its streams do not count. Gateways call every 700 ms.
local LEASE = 5000
-- The keys of a gateway outlive its lease and are kept for so long (ms). If they ended with it, a replica that is promoted after the lease
-- would delete them before it is asked for anything, and what it writes then counts as plain PUBLISHes (see replication.lua).
local KEPT = 3600000
-- No user can have these names: the turn, and whether a user was refused a stream at another gateway.
local TURN, MISSED = ':', ':missed'

local function key_of(gateway)
  return PREFIX .. 'streams:' .. gateway
end

local function require_streams(list, mine)
  require_permissions(list, { 'TYPE', 'HGETALL', 'HSET', 'HDEL', 'DEL', 'PEXPIRE' })
  require_permissions(mine, { 'HGET', 'HSET', 'HDEL', 'HMGET', 'DEL', 'PEXPIRE', 'PTTL' })
end

-- Answers the names of the gateways on the list, and as `streams` how many streams each has that has said it. The list is a hash, so that an
-- ACL need not allow the commands of sets.
local function names_in(list)
  local stored, names = redis.call('HGETALL', list), { streams = {} }
  for i = 1, #stored, 2 do
    names[#names + 1] = stored[i]
    names.streams[stored[i]] = tonumber(string.match(stored[i + 1], '^n(%d+)$'))
  end
  return names
end

-- How long the lease of a gateway still lasts (ms).
local function left_of(gateway)
  return redis.call('PTTL', key_of(gateway)) - (KEPT - LEASE)
end

-- The keys of the other gateways that live, with their `streams`, and the names of those that do not. A lease that is longer than it was made is from before
-- Redis's clock was set back.
local function others_than(me, names)
  local keys, dead = { streams = {} }, {}
  for _, name in ipairs(names) do
    local left = name ~= me and left_of(name) or 0
    if left > 0 and left <= LEASE then
      require_permission('HSET', key_of(name))
      keys[#keys + 1] = key_of(name)
      table.insert(keys.streams, names.streams[name])
    elseif name ~= me then
      require_permission('DEL', key_of(name))
      dead[#dead + 1] = name
    end
  end
  return keys, dead
end

-- The streams that the users have at the gateways with these keys, in the order of the users.
local function count_streams(keys, users)
  local counts = {}
  for i = 1, #users do
    counts[i] = 0
  end
  for _, key in ipairs(#users > 0 and keys or {}) do
    local theirs = redis.pcall('HMGET', key, unpack(users))
    if theirs.err and not is_mistyped(key, 'hash') then
      error(theirs)
    end
    for i = 1, #users do
      counts[i] = counts[i] + (whole(theirs[i]) or 0)
    end
  end
  return counts
end

-- The claims in the text, and the users among them that want more.
local function read_claims(text)
  local claims, asking = {}, {}
  for user, held, wanted in string.gmatch(text or '', '(%S+) (%d+) (%d+)') do
    local claim = { user = user, held = tonumber(held), wanted = tonumber(wanted) }
    claims[#claims + 1] = claim
    if claim.wanted > 0 then
      asking[#asking + 1] = user
    end
  end
  return claims, asking
end

local function store_counts(mine, claims)
  local counts, gone = {}, {}
  for _, claim in ipairs(claims) do
    if claim.held > 0 then
      counts[#counts + 1], counts[#counts + 2] = claim.user, claim.held
    else
      gone[#gone + 1] = claim.user
    end
  end
  if #counts > 0 then
    redis.call('HSET', mine, unpack(counts))
  end
  if #gone > 0 then
    redis.call('HDEL', mine, unpack(gone))
  end
end

-- Tells the other gateways that have streams of the user that one more was refused: readers that have gone may be among them.
local function tell_holders(keys, user)
  for _, key in ipairs(keys) do
    if redis.pcall('HGET', key, user) and not is_mistyped(key, 'hash') then
      redis.call('HSET', key, MISSED, 1)
    end
  end
end

-- Admits wanted streams, as many as there is room for. Answers the places of the claims for which there was too little, and the room.
local function admit(claims, others, elsewhere, limit)
  local short, asked = {}, 0
  for place, claim in ipairs(claims) do
    if claim.wanted > 0 then
      asked = asked + 1
      local room = math.max(0, limit - elsewhere[asked] - claim.held)
      if room < claim.wanted then
        short[#short + 1], short[#short + 2] = place, room
        tell_holders(others, claim.user)
      end
      claim.held = claim.held + math.min(room, claim.wanted)
    end
  end
  return short
end

define('streams', { 'allow-oom' }, function(args)
  local me, turn, verb, limit = args[1], args[2], args[3], tonumber(args[4])
  local mine, list = key_of(me), PREFIX .. 'streams'
  require_streams(list, mine)
  local is_broken = is_mistyped(list, 'hash')
  local others, dead = others_than(me, is_broken and { streams = {} } or names_in(list))
  local claims, asking = read_claims(args[5])
  local elsewhere = count_streams(others, asking)
  if verb == 'keep' and (redis.pcall('HGET', mine, TURN) ~= turn or left_of(me) <= 0) then
    return { 'lost' }
  end
  if is_broken then
    redis.call('DEL', list)
  end
  if #dead > 0 then
    redis.call('HDEL', list, unpack(dead))
    for _, name in ipairs(dead) do
      redis.call('DEL', key_of(name))
    end
  end
  if verb ~= 'keep' then
    redis.call('DEL', mine)
  end
  if verb == 'leave' then
    redis.call('HDEL', list, me)
    return { #others }
  end
  redis.call('HSET', mine, TURN, turn)
  local missed = redis.call('HDEL', mine, MISSED)
  redis.call('PEXPIRE', mine, KEPT)
  local own = args[6] and string.match(args[6], '^%d+$')
  redis.call('HSET', list, me, own and 'n' .. own or '1')
  redis.call('PEXPIRE', list, KEPT)
  local answer = admit(claims, others, elsewhere, limit)
  store_counts(mine, claims)
  table.insert(answer, 1, #others + 1)
  table.insert(answer, 2, missed)
  if own then
    local sum, least = tonumber(own), tonumber(own)
    for _, streams in ipairs(others.streams) do
      sum, least = sum + streams, math.min(least, streams)
    end
    for _, figure in ipairs({ 'fleet', #others.streams + 1, sum, least }) do
      answer[#answer + 1] = figure
    end
  end
  return answer
end)
