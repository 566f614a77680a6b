-- Tokens of users, for SISYPHUS_AUTH=token: `<user in base64url>.<256 random bits in base64url>`. Redis has only the SHA-256 of the second part.
--
-- Of each user two sorted sets are kept: `tokens` has the hashes by the time at which each ends (ms), and `revoked` those that were revoked lately.
-- So all tokens of a user are revoked in one step, however many there are, and a token counts only if it is found: whatever is lost lets nobody
-- in. Both keys end after the last token in them.

-- For so long (ms) it is known that a token has ended, or was revoked. Later it is unknown.
local TOMBSTONE = 3600000
-- If a user has more tokens than this, those that end first are dropped.
local MOST_TOKENS = 10000

local function require_tokens(user)
  require_permissions(user_key(user, 'tokens'), { 'ZADD', 'ZREM', 'ZCARD', 'ZREMRANGEBYSCORE', 'ZREMRANGEBYRANK', 'PTTL', 'PEXPIRE', 'TYPE', 'DEL' })
end

-- The length of a time such as `1h`, or of a number of seconds (ms); `nil` if it is none, or not between a second and a year. The JavaScript
-- side is message/token.ts.
local function token_ttl(text)
  local number, unit = string.match(text, '^(%d+)(%a*)$')
  local length = number and #number <= 15 and ({ [''] = 1000, ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 })[unit]
  local ttl = length and tonumber(number) * length
  local year = 31536000000
  return ttl and ttl >= 1000 and ttl <= year and ttl or nil
end

-- Adds the hash of a token. Answers when it ends (ms since 1970).
local function add_token(user, hash, ttl)
  local tokens = user_key(user, 'tokens')
  local now = math.floor(redis_time() / 1000)
  if is_mistyped(tokens, 'zset') then
    redis.call('DEL', tokens)
  end
  redis.call('ZREMRANGEBYSCORE', tokens, '-inf', digits(now - TOMBSTONE))
  redis.call('ZADD', tokens, digits(now + ttl), hash)
  redis.call('ZREMRANGEBYRANK', tokens, 0, -MOST_TOKENS - 1)
  if redis.call('PTTL', tokens) < ttl + TOMBSTONE then
    redis.call('PEXPIRE', tokens, digits(ttl + TOMBSTONE))
  end
  return now + ttl
end

-- The user and the hash of a token; `nil` if the text is none.
local function read_token(text)
  local name, secret = string.match(text, '^([%w_-]+)%.([%w_-]+)$')
  local user = name and from_base64url(name)
  if not user or not is_user(user) or #secret ~= 43 then
    return nil
  end
  return user, to_base64url(sha256(secret))
end
