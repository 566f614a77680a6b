-- The count of PUBLISHes. Redis counts those of the whole server. Less those of this library, that is the number of plain PUBLISHes, and a
-- gateway that has received as many of them between two moments has missed none.
--
-- A count begins anew if the server starts again or a replica is promoted (another replication id), and after CONFIG RESETSTAT. In the
-- clock, `life` (8 digits of the replication id) and `since` say which count it is, and `said` how many PUBLISHes in it were not plain.

-- How many PUBLISHes the library has made since it was loaded, for all installations of the server; and how many of them the stored
-- clock of each installation has counted, by its `born`.
local published_by_all, counted_by_all = 0, {}

-- Every PUBLISH of the library goes through here and is counted, but for the one with which a life begins.
local function publish(clock, topic, text)
  redis.call('PUBLISH', topic, text)
  clock.said = clock.said + 1
  published_by_all = published_by_all + 1
end

-- The PUBLISHes that the server has counted, and `since`: CONFIG RESETSTAT counts itself, and the time (us) that its call took tells two
-- of them apart.
local function publish_calls()
  local info = redis.call('INFO', 'commandstats')
  local since = string.match(info, 'cmdstat_config|resetstat:calls=%d+,usec=(%d+)')
  return tonumber(string.match(info, 'cmdstat_publish:calls=(%d+)') or 0), since or '0'
end

-- How many plain PUBLISHes there have been in this count: `<life>.<since>:<number>`. It takes 25 us.
local function plain_publishes(clock)
  local calls, since = publish_calls()
  return clock.life .. '.' .. since .. ':' .. digits(calls - clock.said)
end

-- The same as it was when this count began.
local function no_publishes(clock)
  return clock.life .. '.' .. clock.since .. ':0'
end

-- Begins a count anew. `missed`: so many plain PUBLISHes have been made in it already, and no gateway has received them.
local function count_anew(clock, missed)
  local calls, since = publish_calls()
  clock.life, clock.since, clock.said = string.sub(clock.replid, 1, 8), since, calls - missed
  counted_by_all[clock.born] = published_by_all
  redis.call('HSET', CLOCK, 'life', clock.life, 'since', since, 'said', digits(clock.said))
end
