-- Sources: the backlogs from which a page is taken, each with the next message that it has.

-- Reads on in a source until its next message is at hand: `source.ready[source.at]`. Answers whether it has one, or `nil` if the call may
-- read no more. `room`: so many bytes more may be taken into the page.
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

-- Puts the source among the others, which are in the order of their next messages from `sources.first` on.
local function insert_source(sources, source)
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

-- Answers the source with the earliest next message, which is then the first of `sources`; `nil` if there is none. The ids of the next
-- messages that the caller knows are in `known`, in rising order; their sources are made when it is their turn (`known.at`).
local function earliest_source(sources, known)
  local source = sources[sources.first]
  local id = known[known.at]
  if id and not (source and source.id < id) then
    source = known.make(known.at)
    known.at = known.at + 1
    insert_source(sources, source)
  end
  return source
end

-- The state of a source after the page, as functions/read.lua describes it.
local function state_of_source(source)
  local message = source.ready[source.at]
  if message then
    return source.head .. ' ' .. digits(message.id) .. ' ' .. #message.text .. ' ' .. message.rest
  elseif source.ended then
    return source.head .. ' 0 0 0 0'
  end
  return source.head .. ' ? 0 0 0'
end
