-- Holes in the order that no backlog shows: `<reason> <from> <to> …`. Readers whose position lies in one, or before it, are told.
-- Gateways find them with their next mark, and hear of them on the topic `@gap`.
--   unrecorded <from> <to>             plain PUBLISHes went by that nobody heard
--   unrecorded <from> <to> <channel>*  … could not be recorded: see channel-gaps.lua
--   forked <from> <to> <extent> <channel>*  what the server gave out between the two ids is lost, and these channels have lost a
--     message there. Extent: `?` (who had heard everything until then may still say which), `-` (nobody had), `=` (these are all),
--     `*` (it may be any channel), `+` (as `*`: several old ones in one).

-- Of more channels than this, a fork is everybody's.
local MOST_LOST = 500
-- Older ones become one.
local MOST_FORKS = 12

local function put_gaps(texts)
  redis.call('DEL', GAPS)
  for i = 1, #texts do
    redis.call('RPUSH', GAPS, texts[i])
  end
end

-- Whoever is told of a later one need not be told of an earlier one, and of old forks the readers from before them are told.
local function with_gap(texts, gap)
  local forks, is_unrecorded = {}, string.find(gap, '^unrecorded %d+ %d+$')
  for i = #texts, 1, -1 do
    if is_unrecorded and string.find(texts[i], '^unrecorded %d+ %d+$') then
      table.remove(texts, i)
    end
  end
  texts[#texts + 1] = gap
  for i = 1, #texts do
    if string.sub(texts[i], 1, 7) == 'forked ' then
      forks[#forks + 1] = i
    end
  end
  if #forks > MOST_FORKS then
    local from, to = string.match(texts[forks[1]], '^forked (%d+)'), string.match(texts[forks[2]], '^forked %d+ (%d+)')
    texts[forks[2]] = 'forked ' .. from .. ' ' .. to .. ' +'
    table.remove(texts, forks[1])
  end
  return texts
end

-- Answers the gap's text.
local function write_gap(reason, from, to, extent)
  local gap = reason .. ' ' .. digits(from) .. ' ' .. digits(to) .. (extent and ' ' .. extent or '')
  put_gaps(with_gap(redis.call('LRANGE', GAPS, 0, -1), gap))
  redis.call('HSET', CLOCK, 'gap', digits(to))
  return gap
end

-- Whether somebody who hears everything had the lease, or stood by for it, when this id was given out.
local function was_heard(id)
  local expires = redis.pcall('HGET', RECORDER, 'expires')
  local standbys = redis.pcall('ZCOUNT', STANDBYS, digits(id), '+inf')
  return type(expires) == 'string' and (tonumber(expires) or 0) >= id or type(standbys) == 'number' and standbys > 0
end

-- The gap with these channels, and what is known of it. `word`: as sisyphus_lost is told.
local function with_lost(gap, word, channels)
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
