-- FCALL sisyphus_publish_batch 1 <key> <idempotency key> <fingerprint> <ms> (<channel> <data> <event>)* [<traceparent>]
-- Records several messages and publishes their envelopes, all or none, once for each idempotency key.
-- Keys: those of sisyphus_publish for each channel; `<key>:idempotency:<idempotency key>`.
-- Arguments: the idempotency key, '' for none; what tells this request from another; for how long the answer is remembered (ms); for each
--   message the channel, the text and the name of the event, '' for none; the trace of them all.
-- Result: [id, revision, id, revision, …]
-- Errors: BADREQUEST (the trace is none), CONFLICT (the idempotency key belongs to another request), and those of sisyphus_publish.

-- Answers the states of all channels by their names, or `nil` and an error if one of the messages may not be published.
local function read_channels(clock, args)
  local states = {}
  for i = 4, #args, 3 do
    local channel = args[i]
    local event = args[i + 2] ~= '' and args[i + 2] or nil
    local problem = problem_with_message(clock, channel, args[i + 1], event)
    if not problem and not states[channel] then
      states[channel], problem = read_channel(clock, channel, #args > 6)
    end
    if problem then
      return nil, problem
    end
  end
  return states
end

local function publish_all(args, trace)
  local clock = read_clock()
  local states, problem = read_channels(clock, args)
  if not states then
    return problem
  end
  begin_if_due(clock)
  local answer = {}
  for i = 4, #args, 3 do
    local event = args[i + 2] ~= '' and args[i + 2] or nil
    local id, revision = append(clock, states[args[i]], args[i + 1], { event = event, trace = trace })
    if not id then
      return revision
    end
    answer[#answer + 1] = id
    answer[#answer + 1] = tostring(revision)
  end
  save_clock(clock)
  return answer
end

define('publish_batch', {}, function(args)
  local trace = #args % 3 == 1 and table.remove(args) or nil
  -- Anything else could end the header of the envelope.
  if trace and not (#trace == 55 and string.match(trace, '^00%-%x+%-%x+%-%x+$')) then
    return bad_request('publish_batch', '<idempotency key> <fingerprint> <ms> (<channel> <data> <event>)* [<traceparent>]')
  end
  return once(args[1], args[2], args[3], function() return publish_all(args, trace) end)
end)
