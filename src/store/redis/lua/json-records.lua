-- Collections, as a table, because Lua allows 200 shared names: records in the text of a JSON list.
--
-- The text of a record is kept as it was sent. `cjson` cannot write again what it has read: it rounds numbers to 14 digits, and an empty list
-- becomes an object. It also reads more than JSON, so what it has read is looked at once more.

local collections = {}

do
  local SPACES = '^[ \t\r\n]*'

  -- Whether a word outside of strings is one of JSON's.
  local function is_word(word)
    if word == 'true' or word == 'false' or word == 'null' then
      return true
    end
    local int, fraction, exponent = string.match(word, '^%-?(%d+)(%.?%d*)([eE]?[+-]?%d*)$')
    return int and (#int == 1 or string.byte(int) ~= 48) and fraction ~= '.' and (exponent == '' or string.find(exponent, '^[eE][+-]?%d+$'))
  end

  -- Whether a text that cjson has read is JSON for everybody else, too. `collections.decode` describes what cjson lets pass.
  local function is_strict(text)
    if string.find(text, '[%z\1-\8\11\12\14-\31]') then
      return false
    end
    local bare, is_broken = text, false
    if string.find(bare, '\\', 1, true) then
      bare = string.gsub(string.gsub(bare, '\\["\\/bfnrt]', '_'), '\\u%x%x%x%x', '_')
    end
    local function check_string(inner)
      is_broken = is_broken or string.find(inner, '[\t\r\n\\]')
      return '"'
    end
    bare = string.gsub(bare, '"([^"]*)"', string.find(bare, '[\t\r\n\\]') and check_string or '"')
    for word in string.gmatch(bare, '[^ \t\r\n"{}%[%]:,]+') do
      is_broken = is_broken or not is_word(word)
    end
    return not is_broken
  end

  -- Reads the text of an object; answers it as a table, or `nil` if the text is no JSON. cjson takes NaN, `1.`, and a line break in a string.
  function collections.decode(text)
    local done, value = pcall(cjson.decode, text)
    return done and type(value) == 'table' and is_strict(text) and value or nil
  end

  -- The object that begins at `from`, however long it is: its text, or `nil` if it has no end.
  local function find_object(text, from)
    local depth, at = 0, from
    while true do
      at = string.find(text, '["{}]', at)
      if not at then
        return nil
      end
      local char = string.byte(text, at)
      if char == 34 then
        repeat
          at = string.find(text, '["\\]', at + 1)
          local is_escape = at and string.byte(text, at) == 92
          at = is_escape and at + 1 or at
        until not is_escape
        if not at then
          return nil
        end
      else
        depth = depth + (char == 123 and 1 or -1)
        if depth == 0 then
          return string.sub(text, from, at)
        end
      end
      at = at + 1
    end
  end

  -- The object that begins at `from`, and what `read` makes of it; `nil` if there is none. A brace in a string may end the first look too
  -- early or too late: then `read` answers `nil`, because no part of an object is one, and the second look passes over strings. `looks`
  -- remembers that, because a first look may go to the end of the text.
  function collections.object_at(text, from, read, looks)
    local object = not looks.fail and string.match(text, '^%b{}', from)
    local result = object and read(object)
    if not result then
      looks.fail = true
      object = string.byte(text, from) == 123 and find_object(text, from)
      result = object and read(object)
    end
    return result and object or nil, result or nil
  end

  -- Calls `read` with the text of each element of a JSON list of objects, and collects what it answers: a table, with `problem` if something
  -- is wrong with the element. Answers the list, or `nil`, what is wrong, and the number of the element, counted from 0.
  function collections.read_list(text, read)
    local results, looks, at = {}, {}, string.match(text, SPACES .. '%[[ \t\r\n]*()')
    if not at then
      return nil, 'is no JSON list'
    elseif string.find(text, '^%][ \t\r\n]*$', at) then
      return results
    end
    while true do
      local object, result = collections.object_at(text, at, read, looks)
      if not object then
        return nil, 'is no JSON object', #results
      elseif result.problem then
        return nil, result.problem, #results
      end
      results[#results + 1] = result
      at = string.match(text, SPACES .. '()', at + #object)
      if string.byte(text, at) ~= 44 then
        if string.find(text, '^%][ \t\r\n]*$', at) then
          return results
        end
        return nil, 'is followed by no comma and no end of the list', #results - 1
      end
      at = string.match(text, SPACES .. '()', at + 1)
    end
  end

  local function is_equal(one, other)
    if type(one) ~= 'table' or type(other) ~= 'table' then
      return one == other
    end
    for name, value in pairs(one) do
      if not is_equal(value, other[name]) then
        return false
      end
    end
    for name in pairs(other) do
      if one[name] == nil then
        return false
      end
    end
    return true
  end

  -- What cjson reads the same from two texts that mean different things: long numbers, empty lists and objects.
  local function is_ambiguous(text)
    return string.find(text, '%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d') or string.find(text, '[%[{][ \t\r\n]*[%]}]')
  end

  -- Whether two texts hold the same record, however they are written. In doubt they differ. `record`: what `other` was decoded to.
  function collections.are_same(one, other, record)
    if one == other then
      return true
    elseif is_ambiguous(one) or is_ambiguous(other) then
      return false
    end
    return is_equal(cjson.decode(one), record)
  end
end
