-- FCALL_RO sisyphus_rights_ro 1 <key> (<user> <known version or '-'>)*
--   ->  for each user: nil (still that version, and the list is as it was), or as sisyphus_rights answers
-- For a Redis that takes no writes: the list as it is now, and nothing of it stored. What is on it and was not known counts from
-- the last time somebody looked, as it would there. The version is the stored one: no message has told of a later one.
define('rights_ro', { 'no-writes', 'allow-oom' }, function(args)
  local answer = {}
  for i = 1, #args, 2 do
    local rights = read_rights(args[i])
    local removed, is_changed = {}, false
    for _, name in ipairs(rights.removed) do
      if string.sub(name, 1, 1) ~= '@' then
        removed[name], is_changed = true, true
      end
    end
    local version, problem = digits(tonumber(rights.version)), rights.problem
    local names, places, announced = {}, {}, ''
    local since = version == '0' and '0' or digits(rights.synced)
    local known = rights_of(rights.known, version, problem)
    local granted = string.gmatch(known[4], '%S+')
    for name in string.gmatch(known[3], '%S+') do
      local place = granted()
      if not removed[name] then
        names[#names + 1], places[#places + 1] = name, place
      end
    end
    for name, after, by in string.gmatch(known[5], '(%S+) (%S+) (%S+)') do
      if not removed[name] then
        announced = announced .. (announced == '' and '' or ' ') .. name .. ' ' .. after .. ' ' .. by
      end
    end
    for _, name in ipairs(rights.added) do
      if is_channel(name) then
        names[#names + 1], places[#places + 1] = name, since
        is_changed = true
      else
        problem = problem or 'has names that are no channels, such as ' .. string.sub(name, 1, 60)
      end
    end
    if version == args[i + 1] and not is_changed then
      answer[#answer + 1] = false
    else
      answer[#answer + 1] = { version, problem or '', table.concat(names, ' '), table.concat(places, ' '), announced }
    end
  end
  return answer
end)
