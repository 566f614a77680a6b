-- How a function of the library is defined and called.
--
-- A function runs inside one Redis command. So what it writes is one atomic step, and the order of ids is the order in which every
-- subscriber receives the envelopes.
--
-- Every function takes one key, which names the installation (see names.lua), or none. Any of them may answer BADREQUEST (another key),
-- NOPERM (the ACL denies something to the caller), or an error of Redis's own, such as OOM, READONLY, NOREPLICAS or MISCONF.

-- The answer of `run`. An error of Redis about permissions names neither the key nor the right rules, so those are added.
local function answer_of(run, args)
  local done, answer = pcall(run, args)
  if done and not (type(answer) == 'table' and answer.err) then
    return answer
  end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  if is_denied(text) then
    text = 'NOPERM ' .. string.gsub(text, '^%u+ ', '') .. '; ' .. what_is_needed()
  end
  return redis.error_reply(text)
end

-- Defines `sisyphus_<name>`; `run` is given the arguments without the key.
--
-- A function that may write looks at the replication id before it does: what a promoted server has written before the first look at its
-- new id counts as plain PUBLISHes that nobody has received (see replication.lua).
local function define(name, flags, run)
  local writes = true
  for i = 1, #flags do
    writes = writes and flags[i] ~= 'no-writes'
  end
  local function run_as_writer(args)
    replication_id(redis_time())
    return run(args)
  end
  redis.register_function({
    function_name = 'sisyphus_' .. name,
    flags = flags,
    callback = function(keys, args)
      return enter(keys) or answer_of(writes and run_as_writer or run, args)
    end,
  })
end

-- The error for a call with the wrong number of arguments: it shows a right call, for whoever calls by hand.
local function bad_request(name, parameters)
  return redis.error_reply('BADREQUEST expected FCALL sisyphus_' .. name .. ' 1 ' .. KEY .. ' ' .. parameters)
end
