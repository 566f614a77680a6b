-- A collection: records by primary key, whose changes are the messages of the channel `collection:<name>`. Its revision is the channel's.
--
-- `<key>:collection:<name>:records` is a hash from the primary key to `<number> <record>`; the numbers rise in the order in which the records
-- were created. `…:state` is a hash: `key`, the name of the primary key; `began`, see epoch_of; `revision`, of the last change; `number`, the
-- last one; `count`, how many records there are. `…:expires` is a sorted set of the primary keys by the time (ms) at which each record ends, if the collection has a ttl.

do
  -- Records of a collection.
  local MOST_RECORDS = 100000
  -- Bytes of a primary key.
  local MOST_KEY = 256
  -- Arguments of one call of a command; Lua has room for about 8,000.
  collections.at_once = 2000
  local NEEDED = {
    records = { 'HSET', 'HDEL', 'HGETALL', 'HMGET' },
    state = { 'HSET', 'HMGET' },
    expires = { 'ZADD', 'ZREM', 'ZCARD', 'ZSCORE', 'ZRANGEBYSCORE', 'DEL' },
  }
  -- The configuration that came up last, by installation and database. It outlives the clock, as the location does.
  local configured = {}

  function collections.keys_of(name)
    local key = PREFIX .. 'collection:' .. name
    return { records = key .. ':records', state = key .. ':state', expires = key .. ':expires' }
  end

  function collections.channel(name)
    return 'collection:' .. name
  end

  -- Keeps the configuration of the collections: JSON, from the name to { key = …, ttl = … (ms) }.
  function collections.store(clock, text)
    redis.call('HSET', CLOCK, 'collections', text)
    -- A call that writes nothing cannot find out its database if the clock is lost.
    configured[KEY .. (clock.database or '')], configured[KEY] = text, text
  end

  -- The configuration of one collection, or `nil` and an error. `stored`: the field `collections` of the clock.
  function collections.find(clock, name, stored)
    local text = stored or configured[KEY .. (clock.database or '')] or '{}'
    local done, all = pcall(cjson.decode, text)
    local found = done and type(all) == 'table' and all[name]
    if type(found) ~= 'table' or type(found.key) ~= 'string' then
      return nil, redis.error_reply('NOCOLLECTION no gateway is configured with this collection: expected one in SISYPHUS_COLLECTIONS')
    end
    return { key = found.key, ttl = tonumber(found.ttl) }
  end

  -- The epoch: revisions are compared within one only. It is the latest of the ids at which revisions began again: `began`, with the collection;
  -- `born`, with this life of the store; `forked`, with a branch of the store that may lack changes that readers have.
  function collections.epoch_of(clock, state)
    return digits(math.max(whole(state.began) or 0, whole(clock.born) or 0, whole(clock.forked) or 0))
  end

  -- The primary key of a record as text, or `nil` and what is wrong with it. A whole number counts as its digits.
  function collections.key_of(record, name)
    local key = record[name]
    if type(key) == 'number' and key == math.floor(key) and math.abs(key) < MOST_EXACT then
      key = digits(key)
    end
    if type(key) ~= 'string' then
      return nil, 'has no ' .. name .. ' that is a string or a whole number'
    elseif key == '' or #key > MOST_KEY or string.find(key, '[%z\1-\31\127]') then
      return nil, 'has a ' .. name .. ' that is empty, longer than ' .. MOST_KEY .. ' bytes, or has control characters'
    elseif key == '__proto__' or record.__proto__ ~= nil then
      return nil, 'has the name __proto__, which is no data in JavaScript'
    end
    return key
  end

  -- Reads the text of a record: its primary key and its text on one line; or `problem`; or `nil` if it is no JSON object.
  function collections.read_record(text, name, clock)
    local record = collections.decode(text)
    if not record then
      return nil
    end
    local key, problem = collections.key_of(record, name)
    if #text > clock.max then
      return { problem = 'has ' .. #text .. ' bytes; a record may have ' .. clock.max }
    end
    return { key = key, problem = problem, record = record, text = (string.gsub(text, '[\t\r\n]', ' ')) }
  end

  -- Looks at everything that a change of the collection needs, and writes nothing. Answers it as a table, or `nil` and an error.
  function collections.open(name)
    local clock = read_clock()
    local stored = redis.call('HMGET', CLOCK, 'collections', 'forked')
    clock.forked = stored[2]
    local settings, problem = collections.find(clock, name, stored[1])
    if not settings then
      return nil, problem
    end
    local opened = { name = name, clock = clock, settings = settings }
    require_permission('HGET', CLOCK)
    for part, key in pairs(collections.keys_of(name)) do
      opened[part] = key
      require_permissions(opened[part], NEEDED[part])
      problem = problem or problem_with_type(opened[part], part == 'expires' and 'zset' or 'hash')
    end
    if not problem then
      opened.channel, problem = read_channel(clock, collections.channel(name), true)
    end
    if problem then
      return nil, problem
    end
    require_permission('SET', opened.channel.revision_key)
    require_permission('SET', opened.channel.last_id_key)
    local known = redis.call('HMGET', opened.state, 'key', 'began', 'revision', 'number', 'count')
    opened.known = { key = known[1], began = known[2] }
    for i, field in ipairs({ 'revision', 'number', 'count' }) do
      opened.known[field] = whole(known[i + 2]) or 0
    end
    return opened
  end

  -- The stored records with these primary keys; all of them without keys. From the primary key to what is stored.
  function collections.records_of(opened, keys)
    local records = {}
    if not keys then
      local all = redis.call('HGETALL', opened.records)
      for i = 1, #all, 2 do
        records[all[i]] = all[i + 1]
      end
      return records
    end
    for from = 1, #keys, collections.at_once do
      local to = math.min(#keys, from + collections.at_once - 1)
      local values = redis.call('HMGET', opened.records, unpack(keys, from, to))
      for i, value in ipairs(values) do
        records[keys[from + i - 1]] = value or nil
      end
    end
    return records
  end

  -- Whether this text is stored. It compares in place, because a copy of each record would cost more.
  function collections.is_stored(stored, text)
    local from = #stored - #text + 1
    return from > 2 and string.byte(stored, from - 1) == 32 and string.find(stored, ' ', 1, true) == from - 1
      and string.find(stored, text, from, true) == from
  end

  -- What is stored without its number.
  function collections.text_of(stored)
    return string.sub(stored, string.find(stored, ' ', 1, true) + 1)
  end

  -- The answer if nothing has changed: the last change.
  function collections.unchanged(opened)
    return { digits(opened.channel.last), opened.channel.revision }
  end

  -- Counts the records that there are after the change; `before`: that there were. Answers an error if they are too many.
  function collections.problem_with_count(change, before)
    change.count = math.max(0, before + #change.create - #change.destroy)
    if change.count > MOST_RECORDS then
      return redis.error_reply('TOOLARGE ' .. change.count .. ' records; a collection may have ' .. MOST_RECORDS)
    end
    return nil
  end

  -- The error for a list that cannot be read. `number`: of the record that is wrong, if it is one.
  function collections.problem_with_list(problem, number, what, expected)
    local which = number and what .. ' [' .. number .. '] ' or 'the text '
    if string.find(problem, 'a record may have', 1, true) then
      return redis.error_reply('TOOLARGE ' .. which .. problem)
    end
    return redis.error_reply('BADREQUEST ' .. which .. problem .. ': expected ' .. expected)
  end
end
