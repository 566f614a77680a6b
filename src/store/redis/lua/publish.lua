-- FCALL sisyphus_publish 1 sisyphus:{0} <channel> <data> [<event>]  ->  [id, revision]
-- Errors: BADCHANNEL, TOOLARGE, BADEVENT, and Redis's own (OOM, READONLY, NOREPLICAS): nothing is delivered then.
define('publish', {}, function(args)
  local channel, data, event = args[1], args[2], args[3]
  if not data or #args > 3 then
    return bad_request('publish', '<channel> <data> [<event>]')
  end
  local clock = read_clock()
  local problem = problem_with(clock, channel, data, event)
  if problem then
    return problem
  end
  local id, revision = append(clock, channel, data, { event = event })
  save(clock)
  if not id then
    return revision
  end
  return { id, revision }
end)

local function publish_all(args)
  local clock = read_clock()
  for i = 4, #args, 3 do
    local event = args[i + 2] ~= '' and args[i + 2] or nil
    local problem = problem_with(clock, args[i], args[i + 1], event)
    if problem then
      return problem
    end
    local kind = redis.call('TYPE', PREFIX .. 'channel:' .. args[i] .. ':msg_backlog').ok
    if kind ~= 'stream' and kind ~= 'none' then
      return redis.error_reply('WRONGTYPE the backlog of ' .. args[i] .. ' is a ' .. kind)
    end
  end
  local answer = {}
  for i = 4, #args, 3 do
    local id, revision = append(clock, args[i], args[i + 1], { event = args[i + 2] ~= '' and args[i + 2] or nil })
    answer[#answer + 1] = id
    answer[#answer + 1] = id and tostring(revision)
  end
  save(clock)
  return answer
end

-- FCALL sisyphus_publish_batch 1 sisyphus:{0} <idempotency key or ''> <fingerprint> <ms to remember> (<channel> <data> <event or ''>)*
--   ->  [id, revision, id, revision, …]: all, or an error and none
define('publish_batch', {}, function(args)
  return once(args[1], args[2], args[3], function()
    return publish_all(args)
  end)
end)
