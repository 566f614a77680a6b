-- Keys that hold something else than the library keeps there, because somebody else has written to them.

-- Whether the key exists and has another type than this one.
local function is_mistyped(key, expected)
  local is = redis.call('TYPE', key).ok
  return is ~= 'none' and is ~= expected
end

-- The error for such a key. Once somebody has deleted the key, the channel begins anew.
local function broken(word, key, is, expected)
  return redis.error_reply(word .. ' ' .. key .. ' is ' .. is .. '; expected ' .. expected .. ', or no such key')
end

-- Answers an error if the key exists and has another type than this one, or else `nil`; and the key's type.
local function problem_with_type(key, expected)
  local is = redis.call('TYPE', key).ok
  if is == 'none' or is == expected then
    return nil, is
  end
  return broken('WRONGTYPE', key, 'a ' .. is, 'a ' .. expected), is
end

local function problem_with_number(key, text)
  return broken('BADKEY', key, string.sub(text, 1, 40), 'a whole number below ' .. digits(MOST_EXACT))
end
