-- Patterns as PSUBSCRIBE reads them: `*`, `?`, `[a-z]`, `[^a]`, `\x`. This is a port of src/glob.ts; the table in
-- test/support/twin-tables.ts is tried on both.

-- A compiled pattern is a list of steps. A step is a byte, a set of bytes, or one of these two.
local ANY_BYTES, ANY_BYTE = -1, -2

-- Reads the set whose bracket stands at `at - 1`; answers it, and the index at which the pattern goes on. As in Redis, a set that is not
-- closed ends with the pattern, `[]` fits nothing, and `[z-a]` is `[a-z]`.
local function read_set(pattern, at)
  local set, negated = {}, string.sub(pattern, at, at) == '^'
  at = negated and at + 1 or at
  while at <= #pattern and string.sub(pattern, at, at) ~= ']' do
    local low, behind = string.byte(pattern, at), string.byte(pattern, at + 2)
    local high, length = low, 1
    if string.sub(pattern, at, at) == '\\' and at < #pattern then
      low, length = string.byte(pattern, at + 1), 2
      high = low
    elseif string.sub(pattern, at + 1, at + 1) == '-' and behind then
      high, length = behind, 3
    end
    for byte = math.min(low, high), math.max(low, high) do
      set[byte] = true
    end
    at = at + length
  end
  if not negated then
    return set, at + 1
  end
  local others = {}
  for byte = 0, 255 do
    others[byte] = not set[byte]
  end
  return others, at + 1
end

local function compile_glob(pattern)
  local steps, at = {}, 1
  while at <= #pattern do
    local character = string.sub(pattern, at, at)
    if character == '*' then
      if steps[#steps] ~= ANY_BYTES then
        steps[#steps + 1] = ANY_BYTES
      end
      at = at + 1
    elseif character == '?' then
      steps[#steps + 1] = ANY_BYTE
      at = at + 1
    elseif character == '[' then
      steps[#steps + 1], at = read_set(pattern, at + 1)
    else
      -- A backslash at the very end stands for itself.
      if character == '\\' and at < #pattern then
        at = at + 1
      end
      steps[#steps + 1] = string.byte(pattern, at)
      at = at + 1
    end
  end
  return steps
end

-- Whether the name fits the compiled pattern. The match goes back to the last `*` only, so the time is at most the length of the pattern
-- times that of the name, whatever the pattern is.
local function fits_glob(steps, name)
  local step, at = 1, 1
  local star, retry
  while at <= #name do
    local wanted, byte = steps[step], string.byte(name, at)
    if wanted == ANY_BYTES then
      star, retry = step, at
      step = step + 1
    elseif wanted == ANY_BYTE or wanted == byte or (type(wanted) == 'table' and wanted[byte]) then
      step, at = step + 1, at + 1
    elseif star then
      -- Let the last `*` take one byte more. An earlier `*` need not be tried again.
      step, retry = star + 1, retry + 1
      at = retry
    else
      return false
    end
  end
  while steps[step] == ANY_BYTES do
    step = step + 1
  end
  return step > #steps
end
