-- SHA-256 (FIPS 180-4), because Redis gives scripts only SHA-1. Only calls make it that an application makes by hand: what gateways look up
-- they have hashed themselves.

-- A chunk of Lua has room for 200 names, so those that only this file needs are in a block of their own.
local sha256
do
  -- The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first 8. They are found at
  -- the first call, because Redis has no `bit` while it loads a library.
  local rounds, beginnings = {}, {}

  local function fraction(root)
    return bit.tobit(math.floor((root - math.floor(root)) * 4294967296))
  end

  local function find_constants()
    local number = 2
    while #rounds < 64 do
      local is_prime = true
      for divisor = 2, math.floor(math.sqrt(number)) do
        is_prime = is_prime and number % divisor ~= 0
      end
      if is_prime then
        rounds[#rounds + 1] = fraction(number ^ (1 / 3))
        beginnings[#beginnings + 1] = #beginnings < 8 and fraction(math.sqrt(number)) or nil
      end
      number = number + 1
    end
  end

  local function four_bytes(number)
    local band, rshift = bit.band, bit.rshift
    return string.char(rshift(number, 24), band(rshift(number, 16), 255), band(rshift(number, 8), 255), band(number, 255))
  end

  -- The 16 words of a block of 64 bytes, and the 48 that follow from them.
  local function words_of(text, from)
    local bxor, rol, rshift, tobit = bit.bxor, bit.rol, bit.rshift, bit.tobit
    local words = {}
    for i = 0, 15 do
      local a, b, c, d = string.byte(text, from + 4 * i, from + 4 * i + 3)
      words[i + 1] = tobit(a * 16777216 + b * 65536 + c * 256 + d)
    end
    for i = 17, 64 do
      local early, late = words[i - 15], words[i - 2]
      local one = bxor(rol(early, 25), rol(early, 14), rshift(early, 3))
      local two = bxor(rol(late, 15), rol(late, 13), rshift(late, 10))
      words[i] = tobit(words[i - 16] + one + words[i - 7] + two)
    end
    return words
  end

  local function add_block(state, words)
    local band, bnot, bxor, rol, tobit = bit.band, bit.bnot, bit.bxor, bit.rol, bit.tobit
    local a, b, c, d, e, f, g, h = unpack(state)
    for i = 1, 64 do
      local choice = bxor(band(e, f), band(bnot(e), g))
      local one = h + bxor(rol(e, 26), rol(e, 21), rol(e, 7)) + choice + rounds[i] + words[i]
      local two = bxor(rol(a, 30), rol(a, 19), rol(a, 10)) + bxor(band(a, b), band(a, c), band(b, c))
      h, g, f, e, d, c, b, a = g, f, e, tobit(d + one), c, b, a, tobit(one + two)
    end
    for i, word in ipairs({ a, b, c, d, e, f, g, h }) do
      state[i] = tobit(state[i] + word)
    end
  end

  -- The 32 bytes of the hash of a text below 256 MB.
  function sha256(text)
    if #rounds == 0 then
      find_constants()
    end
    local padded = text .. '\128' .. string.rep('\0', (55 - #text) % 64) .. '\0\0\0\0' .. four_bytes(#text * 8)
    local state = { unpack(beginnings) }
    for from = 1, #padded, 64 do
      add_block(state, words_of(padded, from))
    end
    local bytes = {}
    for i = 1, 8 do
      bytes[i] = four_bytes(state[i])
    end
    return table.concat(bytes)
  end
end
