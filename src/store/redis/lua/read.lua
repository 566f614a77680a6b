-- What readers missed, a page at a time. Nothing is written, so these also run where Redis refuses to write.

-- What one call may look at: bytes of messages, and so much besides for each key that is read from, and for each message: what it
-- costs, as bytes. About 2 ms of Redis's time.
local MOST_SCANNED, KEY_COST, MESSAGE_COST = 1048576, 2500, 1000
-- Messages read in one go: their sizes are not known before.
local MOST_AT_ONCE = 16

-- The messages among what XRANGE or XREVRANGE answered. What somebody else has put there is no message.
local function messages_of(entries)
  local messages = {}
  for _, entry in ipairs(entries.err and {} or entries) do
    local text = entry[2][2] or ''
    local id, revision, previous = string.match(text, '^(%d+) (%d+) (%d+) ')
    if id and entry[1] == id .. '-0' then
      messages[#messages + 1] = { id = tonumber(id), rest = previous .. ' ' .. revision, text = text }
    end
  end
  return messages
end

-- The last id of each of the first so many channels. A key that is denied does not keep the others from being read.
local function heads_of(args, count)
  local keys = {}
  for i = 1, count do
    keys[i] = PREFIX .. 'channel:' .. args[4 * i + 2] .. ':msg_last'
  end
  local heads = count > 0 and redis.pcall('MGET', unpack(keys)) or {}
  if heads.err then
    heads = {}
    for i, key in ipairs(keys) do
      local head = redis.pcall('GET', key)
      heads[i] = type(head) == 'string' and head
    end
  end
  for i = 1, count do
    heads[i] = tonumber(heads[i] or nil) or 0
  end
  return heads
end

-- Reads on in a source, until its next message is at hand: `source.ready[source.at]`. Answers whether there is one; `nil` where that
-- would be more than a call may look at. `room`: bytes that may be taken still.
local function read_on(source, scan, room)
  while not source.ready[source.at] do
    if source.ended then
      return false
    end
    if scan.left <= 0 then
      return nil
    end
    local last = source.ready[#source.ready]
    local count = math.min(source.count, last and math.max(0, math.floor(room / #last.text)) + 1 or source.count)
    local entries = redis.pcall('XRANGE', source.key, source.from, '+', 'COUNT', count)
    source.ready, source.at, source.count = messages_of(entries), 1, math.min(2 * count, MOST_AT_ONCE)
    source.ended = #entries < count
    scan.left = scan.left - KEY_COST
    if #entries > 0 then
      source.from = '(' .. entries[#entries][1]
    end
    for _, message in ipairs(source.ready) do
      scan.left = scan.left - #message.text - MESSAGE_COST
    end
  end
  local message = source.ready[source.at]
  source.id, source.bytes = message.id, #message.text
  return true
end

-- Sources in the order of their next messages, from `first` on. Those whose next messages are known come in this order, and are made
-- of the arguments when it is their turn: `known`, and `known.at`.
local function insert(sources, source)
  local low, high = sources.first, #sources + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sources[middle].id < source.id then
      low = middle + 1
    else
      high = middle
    end
  end
  table.insert(sources, low, source)
end

-- The source whose next message is the earliest, which is then the first of `sources`; `nil` where there is none.
local function earliest(sources, known)
  local source = sources[sources.first]
  local id = known[known.at]
  if id and not (source and source.id < id) then
    source = known.make(known.at)
    known.at = known.at + 1
    insert(sources, source)
  end
  return source
end

-- Takes messages in the order of ids, up to an id, so many bytes (or one that is larger) and so many messages.
-- Answers `number of the channel, envelope, …`.
local function take_page(sources, known, scan, up_to, most_bytes, most)
  local page, bytes = {}, 0
  while #page < 2 * most do
    local source = earliest(sources, known)
    if not source or source.id > up_to or (bytes > 0 and bytes + source.bytes > most_bytes) then
      break
    end
    local expected = source.id
    local found = read_on(source, scan, most_bytes - bytes)
    if found == nil then
      -- Nothing later is taken before it.
      break
    end
    source.touched = true
    if found and source.id == expected then
      page[#page + 1] = source.number
      page[#page + 1] = source.ready[source.at].text
      bytes = bytes + source.bytes
      source.at = source.at + 1
      found = read_on(source, scan, most_bytes - bytes)
    end
    sources[sources.first] = false
    sources.first = sources.first + 1
    if found then
      insert(sources, source)
    elseif found == nil then
      break
    end
  end
  return page
end

-- The state of a source that is answered, as `sisyphus_read` says.
local function state_of(source)
  local message = source.ready[source.at]
  if message then
    return source.head .. ' ' .. digits(message.id) .. ' ' .. #message.text .. ' ' .. message.rest
  elseif source.ended then
    return source.head .. ' 0 0 0 0'
  end
  return source.head .. ' ? 0 0 0'
end

-- Since when the store knows of every channel that there was a message: for how long it keeps the counters, or kept them before that was
-- made longer.
local function known_since(now, ttl)
  local stored = redis.pcall('HMGET', CLOCK, 'ttl', 'raised', 'lived')
  local kept, raised, lived = whole(stored[1]) or ttl, whole(stored[2]), whole(stored[3])
  local since = now - known_for(kept) * 1000
  if raised and lived then
    since = math.max(since, math.min(raised, now - lived * 1000))
  end
  return math.max(0, since)
end

local function read(args)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local ttl, unknown = tonumber(args[2]), tonumber(args[5])
  local oldest = ttl > 0 and now - ttl * 1000 or 0
  local heads = heads_of(args, unknown)
  local all = {}
  local function make(number)
    local at = 2 + 4 * number
    all[number] = {
      number = number,
      key = PREFIX .. 'channel:' .. args[at] .. ':msg_backlog',
      from = digits(math.max(tonumber(args[at + 1]) + 1, oldest)),
      head = digits(heads[number] or 0),
      count = heads[number] and 1 or 2,
      ready = {},
      at = 1,
      id = tonumber(args[at + 2]),
      bytes = tonumber(args[at + 3]),
    }
    return all[number]
  end
  local scan, sources, known, states, is_known = { left = MOST_SCANNED }, { first = 1 }, { make = make }, {}, true
  for number = 1, unknown do
    if scan.left <= 0 then
      is_known = false
      break
    end
    states[number] = heads[number] > 0 and '-' or '!'
    if heads[number] > tonumber(args[3 + 4 * number]) then
      local found = read_on(make(number), scan, 0)
      all[number].touched = true
      is_known = is_known and found ~= nil
      if found then
        insert(sources, all[number])
      end
    end
  end
  local page = {}
  if is_known then
    known.at = unknown + 1
    for number = known.at, (#args - 5) / 4 do
      known[number] = tonumber(args[4 + 4 * number])
      states[number] = '='
    end
    page = take_page(sources, known, scan, tonumber(args[1]), tonumber(args[3]), tonumber(args[4]))
  end
  for number, source in pairs(all) do
    if source.touched then
      states[number] = state_of(source)
    end
  end
  return { digits(now), table.concat(states, ' '), page, digits(known_since(now, ttl)) }
end

-- FCALL_RO sisyphus_read 1 <key> <up to> <ttl, ms; 0: for ever> <bytes> <messages> <unknown> (<channel> <after> <id> <size>)*
--   ->  [now (us), states, page, known since]
-- Of the first <unknown> channels it is not known what comes next; of the others <id> and <size> are those of the next message.
-- page: [number of the channel, envelope, …] in the order of ids, up to and with <up to>; empty where not all channels were looked at.
-- states: for each channel that was looked at, at least one: `-` (nothing came after <after>), `!` (nothing is known of it), `=` (as it was), or
--   `<last id of the channel, or 0> <id> <size> <previous> <revision>` of the next message that is kept and not in the page, whatever <up to>;
--   `<last id> 0 0 0 0` where none is, `<last id> ? 0 0 0` where it was not looked for.
-- known since: of a channel of which nothing is known nothing was published since then (see growth.lua).
-- A master that has become a replica may lack what others have heard already, which would not be missed: this one refuses there.
-- sisyphus_read_ro is the same for a gateway that has no master.
define('read', { 'no-writes' }, function(args)
  local replication = redis.pcall('INFO', 'replication')
  if type(replication) == 'string' and string.find(replication, 'role:slave', 1, true) then
    return redis.error_reply('READONLY a replica may lack messages: expected a master')
  end
  return read(args)
end)
define('read_ro', { 'no-writes', 'allow-oom' }, read)

-- Goes back over so many messages from an id on. Answers the position before the first of them, and how many are left to go.
local function go_back(backlog, from, count, scan)
  while count > 0 do
    if scan.left <= 0 then
      return from, count
    end
    local at_once = math.min(count, MOST_AT_ONCE)
    local entries = redis.pcall('XREVRANGE', backlog, digits(from), '-', 'COUNT', at_once)
    scan.left = scan.left - KEY_COST
    for _, message in ipairs(messages_of(entries)) do
      scan.left = scan.left - #message.text - MESSAGE_COST
      from, count = message.id - 1, count - 1
    end
    if #entries < at_once then
      return 0, 0
    end
    from = math.min(from, tonumber(string.match(entries[#entries][1], '^%d+')) - 1)
  end
  return from, count
end

-- FCALL_RO sisyphus_back 1 <key> (<channel> <from> <messages>)*  ->  '<position> <left> …', for each channel that was looked at
-- The position from which on the last so many messages follow, of those with ids up to <from>; where some are left, it is to be
-- asked again from there.
define('back', { 'no-writes' }, function(args)
  local scan, answer = { left = MOST_SCANNED }, {}
  for i = 1, #args, 3 do
    if scan.left <= 0 then
      break
    end
    local backlog = PREFIX .. 'channel:' .. args[i] .. ':msg_backlog'
    local from, left = go_back(backlog, tonumber(args[i + 1]), tonumber(args[i + 2]), scan)
    answer[#answer + 1] = digits(from) .. ' ' .. left
  end
  return table.concat(answer, ' ')
end)
