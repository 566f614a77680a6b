-- FCALL sisyphus_add_token 1 <key> <user> <hash> <ms>
-- Adds a token that the caller has made, and that Redis never sees.
-- Keys: the tokens of the user.
-- Arguments: the user; the SHA-256 of the token's second part, in base64url; how long the token is valid (ms).
-- Result: when it ends (ms since 1970)
-- Errors: BADREQUEST, BADUSER.
define('add_token', {}, function(args)
  local user, hash, ttl = args[1], args[2], token_ttl((args[3] or '') .. 'ms')
  if not ttl or #args > 3 or not string.find(hash, '^[%w_-]+$') or #hash ~= 43 then
    return bad_request('add_token', '<user> <hash> <ms>')
  end
  if not is_user(user) then
    return redis.error_reply('BADUSER expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -, such as 7')
  end
  require_tokens(user)
  return add_token(user, hash, ttl)
end)
