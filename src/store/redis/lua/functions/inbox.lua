-- FCALL sisyphus_inbox 1 <key> <lease|bury> …
-- Keeps order among the gateways that forward what is in the inbox.
-- Keys: the one that names the gateway which forwards, the messages that could not be forwarded.
-- Arguments: `lease <gateway> <ms>` asks whether the gateway forwards for so long; `bury` and the fields and values of a message keep it as
--   one that could not be forwarded.
-- Result: 1 if the gateway forwards, or if the message is kept; 0 if another gateway forwards.
-- Errors: BADREQUEST, WRONGTYPE.

-- The most messages that are kept; older ones are dropped.
local MOST_BURIED = 10000

local function lease(gateway, ms)
  local key = PREFIX .. 'inbox' .. ':worker'
  require_permissions(key, { 'GET', 'SET', 'TYPE', 'DEL' })
  if is_mistyped(key, 'string') then
    redis.call('DEL', key)
  end
  local holder = redis.call('GET', key)
  if holder and holder ~= gateway then
    return 0
  end
  redis.call('SET', key, gateway, 'PX', ms)
  return 1
end

local function bury(args)
  local key = PREFIX .. 'inbox' .. ':dead'
  require_permissions(key, { 'XADD', 'TYPE' })
  local problem = problem_with_type(key, 'stream')
  if problem then
    return problem
  end
  redis.call('XADD', key, 'MAXLEN', MOST_BURIED, '*', unpack(args, 2))
  return 1
end

define('inbox', { 'allow-oom' }, function(args)
  if args[1] == 'lease' and #args == 3 and whole(args[3]) then
    return lease(args[2], args[3])
  end
  if args[1] == 'bury' and #args >= 3 and #args % 2 == 1 then
    return bury(args)
  end
  return bad_request('inbox', 'lease <gateway> <ms>')
end)
