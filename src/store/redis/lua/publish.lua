-- FCALL sisyphus_publish 1 sisyphus:{0} <channel> <data> [<event>]  ->  [id, revision]
-- Errors: BADCHANNEL, TOOLARGE, BADEVENT, BADKEY and WRONGTYPE (a key of the channel is broken), and Redis's own (OOM, READONLY,
-- NOREPLICAS): nothing is delivered then.
define('publish', {}, function(args)
  local channel, data, event = args[1], args[2], args[3]
  if not data or #args > 3 then
    return bad_request('publish', '<channel> <data> [<event>]')
  end
  local clock = look_at_clock()
  local problem = problem_with(clock, channel, data, event)
  if problem then
    return problem
  end
  local kept
  kept, problem = look_at(clock, channel)
  if not kept then
    return problem
  end
  begin(clock)
  local id, revision = append(clock, kept, data, { event = event })
  if not id then
    return revision
  end
  save(clock)
  return { id, revision }
end)

-- What is kept of each channel that is published on, by its name, or `nil` and an error.
local function look_at_all(clock, args)
  local all = {}
  for i = 4, #args, 3 do
    local channel = args[i]
    local event = args[i + 2] ~= '' and args[i + 2] or nil
    local problem = problem_with(clock, channel, args[i + 1], event)
    if not problem and not all[channel] then
      all[channel], problem = look_at(clock, channel, #args > 6)
    end
    if problem then
      return nil, problem
    end
  end
  return all
end

local function publish_all(args)
  local clock = look_at_clock()
  local all, problem = look_at_all(clock, args)
  if not all then
    return problem
  end
  begin(clock)
  local answer = {}
  for i = 4, #args, 3 do
    local event = args[i + 2] ~= '' and args[i + 2] or nil
    local id, revision = append(clock, all[args[i]], args[i + 1], { event = event })
    if not id then
      return revision
    end
    answer[#answer + 1] = id
    answer[#answer + 1] = tostring(revision)
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
