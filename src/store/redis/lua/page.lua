-- A page of what readers have missed on many channels, in the order of ids. functions/read.lua describes the arguments and the answer.
-- Nothing is written, so a page can be read while Redis refuses to write.

-- The last ids of the first `count` channels, 0 if there is none. A key that is denied does not keep the others from being read.
local function last_ids_of(args, count)
  local keys = last_id_keys(args, 6, 4 * count + 2, 4)
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

-- The id up to which a channel without a last id may have had messages that are forgotten. Counters are kept for `known_for`, or for
-- `lived` up to the id `raised` (see settings.lua). `ttl`: as the caller knows it, if the clock has none.
local function known_since(now, ttl)
  local stored = redis.pcall('HMGET', CLOCK, 'ttl', 'raised', 'lived')
  local kept, raised, lived = whole(stored[1]) or ttl, whole(stored[2]), whole(stored[3])
  local since = now - known_for(kept) * 1000
  if raised and lived then
    since = math.max(since, math.min(raised, now - lived * 1000))
  end
  return math.max(0, since)
end

-- The source of the channel `number` among the arguments.
local function source_of(args, number, oldest, head)
  local at = 2 + 4 * number
  return {
    number = number,
    key = backlog_key(args[at]),
    from = digits(math.max(tonumber(args[at + 1]) + 1, oldest)),
    head = digits(head or 0),
    count = head and 1 or 2,
    ready = {}, at = 1,
    id = tonumber(args[at + 2]), bytes = tonumber(args[at + 3]),
  }
end

-- For each channel whose next message the caller does not know, finds that message. Answers whether all of these channels have been read:
-- only then is it known which message comes first.
local function find_next_messages(reading, unknown)
  local is_complete = true
  for number = 1, unknown do
    if reading.scan.left <= 0 then
      return false
    end
    local head = reading.heads[number]
    reading.states[number] = head > 0 and '-' or '!'
    if head > tonumber(reading.args[3 + 4 * number]) then
      local source = reading.known.make(number)
      local found = read_on(source, reading.scan, 0)
      source.touched = true
      is_complete = is_complete and found ~= nil
      if found then
        insert_source(reading.sources, source)
      end
    end
  end
  return is_complete
end

-- Takes messages in the order of ids: up to the id `up_to`, `most` messages, and so many bytes (or one message that is larger).
-- Answers `number of the channel, envelope, …`.
local function take_page(sources, known, scan, up_to, most_bytes, most)
  local page, bytes = {}, 0
  while #page < 2 * most do
    local source = earliest_source(sources, known)
    if not source or source.id > up_to or (bytes > 0 and bytes + source.bytes > most_bytes) then
      break
    end
    local expected = source.id
    local found = read_on(source, scan, most_bytes - bytes)
    if found == nil then
      -- The call may read no more, and a later message must not be taken before this one.
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
      insert_source(sources, source)
    elseif found == nil then
      break
    end
  end
  return page
end

local function read_page(args)
  local now = redis_time()
  local ttl, unknown = tonumber(args[2]), tonumber(args[5])
  local oldest = ttl > 0 and now - ttl * 1000 or 0
  local heads, made = last_ids_of(args, unknown), {}
  local function make(number)
    made[number] = source_of(args, number, oldest, heads[number])
    return made[number]
  end
  local scan, sources, known, states, page = { left = MOST_SCANNED }, { first = 1 }, { make = make }, {}, {}
  local reading = { args = args, heads = heads, scan = scan, sources = sources, known = known, states = states }
  if find_next_messages(reading, unknown) then
    known.at = unknown + 1
    for number = known.at, (#args - 5) / 4 do
      known[number] = tonumber(args[4 + 4 * number])
      states[number] = '='
    end
    page = take_page(sources, known, scan, tonumber(args[1]), tonumber(args[3]), tonumber(args[4]))
  end
  for number, source in pairs(made) do
    if source.touched then
      states[number] = state_of_source(source)
    end
  end
  return { digits(now), table.concat(states, ' '), page, digits(known_since(now, ttl)) }
end
