-- FCALL sisyphus_publish 1 <key> <channel> <data> [<event>]
-- Records one message and publishes its envelope.
-- Keys: the clock, the channel's three keys, the gaps if a life or a branch begins; on `user:<id>` also the user's list, rights and changes.
-- Arguments: the channel, the text of the message, the name of the event if it has one.
-- Result: [id, revision]
-- Errors: BADCHANNEL, TOOLARGE, BADEVENT, BADKEY or WRONGTYPE (a key of the channel is broken). Then nothing is recorded or published.
define('publish', {}, function(args)
  local channel, data, event = args[1], args[2], args[3]
  if not data or #args > 3 then
    return bad_request('publish', '<channel> <data> [<event>]')
  end
  local clock = read_clock()
  local problem = problem_with_message(clock, channel, data, event)
  if problem then
    return problem
  end
  local state
  state, problem = read_channel(clock, channel)
  if not state then
    return problem
  end
  begin_if_due(clock)
  local id, revision = append(clock, state, data, { event = event })
  if not id then
    return revision
  end
  save_clock(clock)
  return { id, revision }
end)
