-- A user's rights as an answer: words in texts, and not a value each. For 11 channels this takes Redis 20 us instead of 27, and the gateway
-- 2 us instead of 12.

-- `diff`: with the keys `rights` and `changes`, and `problem`. The answer is described in functions/rights.lua.
local function answer_of_rights(diff, version, is_settled)
  local names, ids, changes = {}, {}, {}
  local granted = redis.call('ZRANGE', diff.rights, 0, -1, 'WITHSCORES')
  for i = 1, #granted, 2 do
    names[#names + 1] = granted[i]
    ids[#ids + 1] = digits(tonumber(granted[i + 1]))
  end
  for _, member in ipairs(redis.call('ZRANGE', diff.changes, 0, -1)) do
    changes[#changes + 1] = string.match(member, '^%.?(.+)/%d+$')
  end
  return {
    version, diff.problem or '', table.concat(names, ' '), table.concat(ids, ' '), '',
    table.concat(changes, ','), is_settled and '' or 'unsettled',
  }
end
