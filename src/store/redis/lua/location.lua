-- The location: the number of the database, which is part of the topics, and the prefix of the application's lists. Gateways configure
-- both, and the clock keeps them.

-- The prefix that a gateway has configured, by installation and database. It outlives the clock: a life may begin with a grant, which
-- needs the prefix before a gateway can configure the store again.
local prefixes = {}

-- The number of the database that the call runs in, which a function cannot ask for. But a key that does not exist is moved to no other
-- database, and Redis refuses to move it to its own one; neither changes anything. `false` if there is no MOVE, as in a Cluster, which
-- has one database only: then the next gateway configures it.
local function own_database()
  for number = 0, 100000 do
    local answer = redis.pcall('MOVE', PREFIX .. 'nowhere', number)
    if type(answer) == 'table' then
      if is_denied(answer.err) then
        error(answer)
      end
      return string.find(answer.err, 'objects are the same', 1, true) and digits(number) or false
    end
  end
  return false
end

-- Goes by the location that the clock has stored, or by what can be found out if a life begins.
local function use_stored_location(clock, database, prefix)
  local known = database and string.find(database, '^%d+$') and database
  clock.database = known or (clock.begins == 'life' and own_database())
  clock.prefix = prefix or prefixes[KEY .. (clock.database or '')] or false
  use_location(clock.database, clock.prefix)
end

-- Stores the location that a gateway configures. A gateway without a prefix keeps the one that is there: without it every list would seem
-- to be empty, and every right to be revoked.
local function store_location(clock, database, prefix)
  prefix = prefix == '' and clock.prefix or prefix
  redis.call('HSET', CLOCK, 'database', database, 'prefix', prefix)
  prefixes[KEY .. database] = prefix
end
