-- FCALL sisyphus_revoke_tokens 1 <key> user <user> | token <token> | hash <user> <hash>
-- Revokes all tokens of a user, or one, and ends the streams that were opened with them, on all gateways.
-- Keys: the clock, the disconnects, the tokens of the user.
-- Arguments: the word `user` and the user; or `token` and the token; or `hash`, the user and the hash of the token, from gateways.
-- Result: how many tokens were revoked
-- Errors: BADREQUEST, BADUSER. Then nothing is revoked.

-- Moves all tokens of the user to those that were revoked, whatever their number. The ones that were revoked before are unknown then.
local function revoke_all(tokens, revoked)
  local count = redis.call('ZCARD', tokens)
  if count > 0 then
    redis.call('RENAME', tokens, revoked)
    redis.call('PEXPIRE', revoked, TOMBSTONE)
  end
  return count
end

local function revoke_one(tokens, revoked, hash, now)
  local count = redis.call('ZREM', tokens, hash)
  if count > 0 then
    if is_mistyped(revoked, 'zset') then
      redis.call('DEL', revoked)
    end
    redis.call('ZADD', revoked, digits(now + TOMBSTONE), hash)
    redis.call('ZREMRANGEBYRANK', revoked, 0, -MOST_TOKENS - 1)
    redis.call('PEXPIRE', revoked, TOMBSTONE)
  end
  return count
end

define('revoke_tokens', { 'allow-oom' }, function(args)
  local kind, user, hash = args[1], args[2], args[3]
  if #args ~= (kind == 'hash' and 3 or 2) or (kind ~= 'user' and kind ~= 'token' and kind ~= 'hash') then
    return bad_request('revoke_tokens', 'user <user>, or token <token>')
  end
  if kind == 'token' then
    user, hash = read_token(user)
    if not user then
      return redis.error_reply('BADREQUEST expected a token as sisyphus_token has answered it')
    end
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7')
  end
  local tokens, revoked = user_key(user, 'tokens'), user_key(user, 'revoked')
  local clock = read_clock()
  require_tokens(user)
  require_permissions(revoked, { 'ZADD', 'ZREMRANGEBYRANK', 'PEXPIRE', 'TYPE', 'DEL' })
  require_permission('RENAME', tokens, revoked)
  require_disconnects()
  begin_if_due(clock)
  if is_mistyped(tokens, 'zset') then
    redis.call('DEL', tokens)
  end
  local count = hash and revoke_one(tokens, revoked, hash, math.floor(clock.now / 1000)) or 0
  if not hash then
    count = revoke_all(tokens, revoked)
  end
  disconnect(clock, hash and 'credential ' .. hash .. ' ' .. user or 'user ' .. user)
  save_clock(clock)
  return count
end)
