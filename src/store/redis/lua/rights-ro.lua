-- The list as it is now, as rights_of answers it, and nothing of it stored. A change that nobody has seen yet stands behind `last`:
-- nothing is published here meanwhile. The version stays, because no message tells of a later one.
local function rights_without_writing(user, known_version, last)
  local base = PREFIX .. 'user:' .. user
  local look = { known = base .. ':rights', log = base .. ':changes' }
  local stored = redis.pcall('ZMSCORE', look.log, '@', '#')
  local is_known = not stored.err and stored[1] and redis.pcall('ZCARD', look.known) == tonumber(stored[2] or -1)
  if not is_known then
    -- No such key: as if nobody had ever looked at the list.
    look.known, look.log = base .. ':nothing', base .. ':nothing'
  end
  local added, removed
  added, removed, look.problem = difference(list_of(user), look.known)
  local version = is_known and digits(tonumber(stored[1])) or last
  local rights = rights_of(look, version, true)
  local is_removed, names, ids, changes = {}, {}, {}, {}
  for _, name in ipairs(removed) do
    is_removed[name] = true
    changes[#changes + 1] = '-' .. name .. '/' .. last .. '.0'
  end
  local next_granted = string.gmatch(rights[4], '%S+')
  for name in string.gmatch(rights[3], '%S+') do
    local granted = next_granted()
    if not is_removed[name] then
      names[#names + 1], ids[#ids + 1] = name, granted
    end
  end
  for _, name in ipairs(added) do
    if is_channel(name) then
      names[#names + 1], ids[#ids + 1] = name, is_known and last or '0'
      if is_known then
        changes[#changes + 1] = '+' .. name .. '/' .. last .. '.0'
      end
    else
      rights[2] = rights[2] ~= '' and rights[2] or 'has names that are no channels, such as ' .. string.sub(name, 1, 60)
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

-- FCALL_RO sisyphus_rights_ro 1 <key> (<user> <known version or '-'>)*  ->  as sisyphus_rights, for a Redis that takes no writes
define('rights_ro', { 'no-writes', 'allow-oom' }, function(args)
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'database', 'prefix')
  if stored.err then
    stored = {}
  end
  use_settings(stored[2] or false, stored[3] or false)
  local last = whole(stored[1]) and stored[1] or '0'
  local answer = {}
  for i = 1, #args, 2 do
    answer[#answer + 1] = rights_without_writing(args[i], args[i + 1], last)
  end
  return answer
end)
