-- Permissions are asked for before the first write. Redis asks for them only when a command runs, and does not undo what the function did
-- before; so each function asks for all that it will change before it changes anything (0.15 us for each question).

-- The rules of an ACL that allow every function.
local function what_is_needed()
  local keys = '~' .. KEY .. '* ~' .. LISTS .. '*:channels'
  return 'expected ' .. keys .. ' &' .. TOPIC .. '* +fcall +@read +@write +publish +info +time'
end

-- Whether an error says that an ACL denied a command: in the words of Redis 7.0, or in those of later versions.
local function is_denied(text)
  return string.find(text, "executing the script can't", 1, true) or string.find(text, 'ACL failure in script', 1, true)
end

-- `name`: the key, the topic or whatever else comes first; further arguments if Redis needs them to find the keys of the command.
local function require_permission(command, name, ...)
  if not redis.acl_check_cmd(command, name, ...) then
    error(redis.error_reply('NOPERM the user may not ' .. command .. ' ' .. name .. '; ' .. what_is_needed()))
  end
end

local function require_permissions(name, commands)
  for i = 1, #commands do
    require_permission(commands[i], name)
  end
end
