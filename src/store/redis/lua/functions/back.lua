-- FCALL_RO sisyphus_back 1 <key> (<channel> <from> <messages>)*
-- Finds the positions after which the last so many messages of channels follow.
-- Keys: the backlog of each channel.
-- Arguments: for each channel its name, the id from which on to go back, and how many messages.
-- Result: '<position> <left> …' for each channel that was looked at, one at least. If some messages are left to go back over, the caller asks
--   again from that position.
-- Errors: only those of every function.

-- Goes back over `count` messages; answers the position before the first of them, and how many are left.
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

define('back', { 'no-writes' }, function(args)
  local scan, answer = { left = MOST_SCANNED }, {}
  for i = 1, #args, 3 do
    if scan.left <= 0 then
      break
    end
    local from, left = go_back(backlog_key(args[i]), tonumber(args[i + 1]), tonumber(args[i + 2]), scan)
    answer[#answer + 1] = digits(from) .. ' ' .. left
  end
  return table.concat(answer, ' ')
end)
