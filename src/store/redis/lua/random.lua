-- Random bytes, for a token that an application has a function make. Redis gives scripts no secure source: `math.random` can be predicted, and
-- ACL GENPASS is not for scripts. So gateways bring random bits, 256 with each report of their settings.
--
-- The state is in the memory of this server alone: in no key, no dump, no AOF and no replica, and no function answers it. It is as secret as
-- what gateways bring, which only MONITOR and SLOWLOG show, and besides it goes on the run id, which those do not show. Whoever may run
-- these commands may mint tokens anyway. After each token the state is replaced by its hash, so no earlier token follows from a later state.

local add_random_bits, random_bytes
do
  -- 80 hexadecimal digits: two hashes of 160 bits. `false` until a gateway has brought any.
  local random_state = false
  local random_count = 0

  local function hash_state(label, text)
    return redis.sha1hex(label .. '1' .. text) .. redis.sha1hex(label .. '2' .. text)
  end

  -- Takes random bits of a gateway. What other gateways have brought counts as well.
  function add_random_bits(bits)
    if #bits >= 32 then
      random_state = hash_state('add', (random_state or '') .. bits)
    end
  end

  -- 32 random bytes; `nil` if no gateway has brought any since this server started, or since the library was loaded.
  function random_bytes()
    if not random_state then
      return nil
    end
    random_count = random_count + 1
    local bytes = sha256(random_state .. run_id() .. digits(redis_time()) .. '.' .. random_count)
    random_state = hash_state('next', random_state)
    return bytes
  end
end
