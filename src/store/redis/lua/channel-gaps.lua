-- Gaps of single channels, `unrecorded <from> <to> <channel>*`, as gaps.lua keeps them. Each channel has one at most. The oldest two become
-- one if there are too many, because the list of gaps must stay short; readers who missed one of them are then told of both.

local MOST_CHANNEL_GAPS = 16
-- A gap of more channels than this becomes one of all channels.
local MOST_CHANNELS = 200

-- The gap as a table. If it is one of single channels, without this channel: then `nil` if no channel is left.
local function without_channel(text, channel)
  local from, to, names = string.match(text, '^unrecorded (%d+) (%d+) (.+)$')
  if not from then
    return { text = text }
  end
  local gap = { from = from, to = to, names = {} }
  for name in string.gmatch(names, '%S+') do
    if name ~= channel then
      gap.names[#gap.names + 1] = name
    end
  end
  return #gap.names > 0 and gap or nil
end

local function join_gaps(earlier, later)
  for _, name in ipairs(earlier.names) do
    later.names[#later.names + 1] = name
  end
  later.from = earlier.from
  return later
end

local function text_of(gap)
  if gap.text then
    return gap.text
  end
  local names = #gap.names <= MOST_CHANNELS and ' ' .. table.concat(gap.names, ' ') or ''
  return 'unrecorded ' .. gap.from .. ' ' .. gap.to .. names
end

-- Writes that a plain PUBLISH on this channel is lost because it could not be recorded; answers the gap's text.
local function write_channel_gap(clock, channel)
  local gaps, named = {}, {}
  local texts = redis.pcall('LRANGE', GAPS, 0, -1)
  for _, text in ipairs(texts.err and {} or texts) do
    local gap = without_channel(text, channel)
    gaps[#gaps + 1] = gap
    if gap and gap.names then
      named[#named + 1] = #gaps
    end
  end
  if #named >= MOST_CHANNEL_GAPS then
    gaps[named[2]] = join_gaps(gaps[named[1]], gaps[named[2]])
    table.remove(gaps, named[1])
  end
  local from = digits(clock.last)
  gaps[#gaps + 1] = { from = from, to = digits(next_id(clock)), names = { channel } }
  if texts.err then
    -- The key has another type, so the next mark begins a new life, of which all readers are told.
    return text_of(gaps[#gaps])
  end
  redis.call('HSET', CLOCK, 'gap', gaps[#gaps].to)
  for i = 1, #gaps do
    gaps[i] = text_of(gaps[i])
  end
  store_gaps(gaps)
  return gaps[#gaps]
end
