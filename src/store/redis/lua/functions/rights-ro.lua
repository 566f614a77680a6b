-- FCALL_RO sisyphus_rights_ro 1 <key> (<user> <version>)*
-- The same as sisyphus_rights for a Redis that takes no writes: the list as it is now, and nothing of it stored.
-- Keys: the clock; for each user the list, the rights and the changes.
-- Arguments: for each user the version that the caller knows, or `-`.
-- Result: as for sisyphus_rights. A change that no comparison has found yet is placed at the last id, because nothing is published meanwhile.
--   The version stays the same, because no message tells of a later one.
-- Errors: only those of every function.

-- The channels in an answer with their ids, without those that were removed since.
local function without_removed(rights, removed)
  local is_removed, names, ids = {}, {}, {}
  for _, name in ipairs(removed) do
    is_removed[name] = true
  end
  local next_granted = string.gmatch(rights[4], '%S+')
  for name in string.gmatch(rights[3], '%S+') do
    local granted = next_granted()
    if not is_removed[name] then
      names[#names + 1], ids[#ids + 1] = name, granted
    end
  end
  return names, ids
end

-- `last`: the last id that was given out.
local function rights_without_writing(user, known_version, last)
  local diff = { rights = user_key(user, 'rights'), changes = user_key(user, 'changes') }
  diff.version = read_version(diff.rights, diff.changes)
  if not diff.version then
    -- Nothing is known of the user: a key that does not exist says so.
    diff.rights, diff.changes = user_key(user, 'nothing'), user_key(user, 'nothing')
  end
  local added, removed
  added, removed, diff.problem = difference_of(list_of(user), diff.rights)
  local version = diff.version and digits(tonumber(diff.version)) or last
  local rights = answer_of_rights(diff, version, true)
  local names, ids = without_removed(rights, removed)
  local changes = {}
  for _, name in ipairs(removed) do
    changes[#changes + 1] = '-' .. name .. '/' .. last .. '.0'
  end
  for _, name in ipairs(added) do
    if is_channel(name) then
      names[#names + 1], ids[#ids + 1] = name, diff.version and last or '0'
      if diff.version then
        changes[#changes + 1] = '+' .. name .. '/' .. last .. '.0'
      end
    else
      rights[2] = rights[2] ~= '' and rights[2] or problem_with_name(name)
    end
  end
  if version == known_version and #changes == 0 then
    return rights[2] ~= '' and rights[2] or false
  end
  rights[3], rights[4] = table.concat(names, ' '), table.concat(ids, ' ')
  if #changes > 0 then
    rights[6] = (rights[6] ~= '' and rights[6] .. ',' or '') .. table.concat(changes, ',')
  end
  return rights
end

define('rights_ro', { 'no-writes', 'allow-oom' }, function(args)
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'database', 'prefix')
  if stored.err then
    stored = {}
  end
  use_location(stored[2] or false, stored[3] or false)
  local last = whole(stored[1]) and stored[1] or '0'
  local answer = {}
  for i = 1, #args, 2 do
    answer[#answer + 1] = rights_without_writing(args[i], args[i + 1], last)
  end
  return answer
end)
