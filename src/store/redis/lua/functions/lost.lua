-- FCALL sisyphus_lost 1 <key> <from> <to> <@heard|@some|@all> <channel>*
-- Says which channels have lost messages in the fork between the two ids.
-- Keys: the clock and the gaps.
-- Arguments: the two ids; what the caller knows; the channels. @heard: the caller received everything until the fork, so these channels are
--   all that it knows of. @some: these channels have lost messages, and others may have. @all: any channel may have lost messages; that
--   counts unless a caller with @heard has named its channels.
-- Result: OK
-- Errors: only those of every function.

-- A fork that names more channels than this becomes one of all channels.
local MOST_LOST = 500

-- The gap with these channels added, and with the extent that follows from `word`.
local function with_lost_channels(gap, word, channels)
  local from, to, extent, names = string.match(gap, '^forked (%d+) (%d+) ([?=*+-]) ?(.*)$')
  if not from or extent == '*' or extent == '+' then
    return gap
  end
  local known, count = {}, 0
  for name in string.gmatch(names, '%S+') do
    known[name], count = true, count + 1
  end
  for i = 1, #channels do
    if not known[channels[i]] then
      known[channels[i]], count = true, count + 1
      names = names == '' and channels[i] or names .. ' ' .. channels[i]
    end
  end
  if word == '@heard' then
    extent = '='
  elseif word == '@all' and extent ~= '=' then
    extent = '*'
  end
  if extent == '*' or count > MOST_LOST then
    return 'forked ' .. from .. ' ' .. to .. ' *'
  end
  return 'forked ' .. from .. ' ' .. to .. ' ' .. extent .. (names == '' and '' or ' ' .. names)
end

define('lost', { 'allow-oom' }, function(args)
  require_permissions(GAPS, { 'LRANGE', 'LSET' })
  require_permission('HSET', CLOCK)
  require_permission('PUBLISH', TOPIC .. '@gap')
  local clock = read_clock()
  begin_if_due(clock)
  local channels = {}
  for i = 4, #args do
    channels[#channels + 1] = args[i]
  end
  local start = 'forked ' .. args[1] .. ' ' .. args[2] .. ' '
  for i, gap in ipairs(redis.call('LRANGE', GAPS, 0, -1)) do
    local changed = string.sub(gap, 1, #start) == start and with_lost_channels(gap, args[3], channels) or gap
    if changed ~= gap then
      redis.call('LSET', GAPS, i - 1, changed)
      publish(clock, TOPIC .. '@gap', changed)
      save_clock(clock)
    end
  end
  return redis.status_reply('OK')
end)
