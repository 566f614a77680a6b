-- FCALL_RO sisyphus_tokens_ro 1 <key> (<user> <hash>)*
-- Looks up tokens.
-- Keys: the tokens of each user.
-- Arguments: for each token its user and its hash.
-- Result: for each token how long it is still valid (ms); or `expired` or `revoked`, if it is known; or ''.
-- Errors: only those of every function.

-- The score of the hash in a sorted set, or `nil`.
local function score_of(key, hash)
  local scores = redis.pcall('ZMSCORE', key, hash)
  if scores.err and not is_mistyped(key, 'zset') then
    error(scores)
  end
  return tonumber(scores[1] or nil)
end

define('tokens_ro', { 'no-writes', 'allow-oom' }, function(args)
  local now, answer = math.floor(redis_time() / 1000), {}
  for i = 1, #args, 2 do
    local user, hash = args[i], args[i + 1]
    local ends = score_of(user_key(user, 'tokens'), hash)
    if ends then
      answer[#answer + 1] = ends > now and digits(ends - now) or 'expired'
    else
      answer[#answer + 1] = score_of(user_key(user, 'revoked'), hash) and 'revoked' or ''
    end
  end
  return answer
end)
