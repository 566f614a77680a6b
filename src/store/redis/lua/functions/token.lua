-- FCALL sisyphus_token 1 <key> <user> <ttl>
-- Makes a token, for SISYPHUS_AUTH=token.
-- Keys: the tokens of the user.
-- Arguments: the user; how long the token is valid: `1h` (ms, s, m, h or d), or a number of seconds.
-- Result: [token, when it ends (ms since 1970)]
-- Errors: BADREQUEST, BADUSER, NORANDOM (no gateway has brought random bits since this server started).
define('token', {}, function(args)
  local user, ttl = args[1], token_ttl(args[2] or '')
  if not args[2] or #args > 2 then
    return bad_request('token', '<user> <ttl>')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7')
  end
  if not ttl then
    return redis.error_reply('BADREQUEST expected a time from 1s to 365d, such as 1h, or a number of seconds')
  end
  require_tokens(user)
  require_permission('INFO', 'server')
  local bytes = random_bytes()
  if not bytes then
    return redis.error_reply('NORANDOM no gateway has brought random bits since this server started; expected one to run')
  end
  local secret = to_base64url(bytes)
  return { to_base64url(user) .. '.' .. secret, add_token(user, to_base64url(sha256(secret)), ttl) }
end)
