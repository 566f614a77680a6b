-- Bytes as text, and back (RFC 4648, section 5), without padding.

local to_base64url, from_base64url
do
  local DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

  function to_base64url(bytes)
    local digits_of = {}
    for i = 1, #bytes, 3 do
      local a, b, c = string.byte(bytes, i, i + 2)
      local number = a * 65536 + (b or 0) * 256 + (c or 0)
      for j = 0, c and 3 or b and 2 or 1 do
        local digit = math.floor(number / 64 ^ (3 - j)) % 64
        digits_of[#digits_of + 1] = string.sub(DIGITS, digit + 1, digit + 1)
      end
    end
    return table.concat(digits_of)
  end

  -- `nil` if the text is not what to_base64url writes.
  function from_base64url(text)
    local bytes, number, bits = {}, 0, 0
    for digit in string.gmatch(text, '.') do
      local value = string.find(DIGITS, digit, 1, true)
      if not value then
        return nil
      end
      number, bits = (number * 64 + value - 1) % 16777216, bits + 6
      if bits >= 8 then
        bits = bits - 8
        bytes[#bytes + 1] = string.char(math.floor(number / 2 ^ bits) % 256)
      end
    end
    local answer = table.concat(bytes)
    return to_base64url(answer) == text and answer or nil
  end
end
