-- How much of the backlogs one call reads, so that Redis is kept from others for about 2 ms at most.

-- What one call may cost: the bytes of the messages that it reads, and what each message and each read of a key cost besides, as bytes.
local MOST_SCANNED, KEY_COST, MESSAGE_COST = 1048576, 2500, 1000
-- So many messages at most are read in one go, because their sizes are not known before.
local MOST_AT_ONCE = 16

-- The messages among the entries that XRANGE or XREVRANGE has answered. An entry that somebody else has added is no message.
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
