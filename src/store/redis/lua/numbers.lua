-- Whole numbers in texts: ids, revisions, counts and settings.

-- Numbers from here on cannot be raised by one exactly, neither in Lua nor in JavaScript.
local MOST_EXACT = 9007199254740990

-- The decimal digits; tostring would write 1.7952064671235e+15.
local function digits(number)
  return string.format('%d', number)
end

-- The number that the text stands for; `nil` if it is no whole number, or not an exact one.
local function whole(text)
  local number = text and #text <= 16 and string.find(text, '^%d+$') and tonumber(text)
  return number and number < MOST_EXACT and number or nil
end

-- The number that the text stands for, if it is between 1 and `most`, or else `default`.
local function setting(text, most, default)
  local number = whole(text)
  return number and number >= 1 and number <= most and number or default
end
