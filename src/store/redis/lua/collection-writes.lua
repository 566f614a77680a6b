-- What a change of a collection writes and publishes: see collections.lua for the keys.

do
  -- Calls a command with many arguments behind a key, in several calls.
  local function call_often(command, key, values)
    for from = 1, #values, collections.at_once do
      redis.call(command, key, unpack(values, from, math.min(#values, from + collections.at_once - 1)))
    end
  end

  local function to_json(keys)
    local texts = {}
    for i, key in ipairs(keys) do
      texts[i] = cjson.encode(key)
    end
    return '[' .. table.concat(texts, ',') .. ']'
  end

  -- The message of a change, and whether it has a new epoch: if the change is larger than a message may be, it names nothing, and readers begin
  -- again because the epoch is another.
  local function message_of(opened, change, id)
    local revision, texts, size = digits(opened.channel.revision + 1), {}, 0
    for i, entry in ipairs(change.update) do
      texts[i] = entry.text
      size = size + #entry.text
    end
    local function write(epoch, created, updated, destroyed)
      return '{"version":' .. revision .. ',"revision":' .. revision .. ',"epoch":"' .. epoch .. '","' .. opened.name .. '":{"create":'
        .. created .. ',"update":' .. updated .. ',"destroy":' .. destroyed .. '}}'
    end
    local began = opened.known.began or '0'
    if opened.begins then
      began = digits(id)
    end
    local epoch = collections.epoch_of(opened.clock, { began = began })
    -- The text of a large change is not even made: that would take as long as all the rest.
    local names = 3 * (#change.create + #change.destroy)
    if size + names <= opened.clock.max then
      local text = write(epoch, to_json(change.create), '[' .. table.concat(texts, ',') .. ']', to_json(change.destroy))
      if #text <= opened.clock.max then
        return text, began
      end
    end
    began = digits(id)
    return write(began, '[]', '[]', '[]'), began
  end

  -- Whether revisions begin again, or the records have another primary key now.
  local function begins_again(opened)
    local known, channel = opened.known, opened.channel
    return known.key and (known.key ~= opened.settings.key or channel.revision < known.revision)
      or not known.key and (channel.revision > 0 or channel.lost)
  end

  local function write_records(opened, change)
    local pairs_of, number = {}, opened.known.number
    for _, entry in ipairs(change.update) do
      local stored = change.before[entry.key]
      if not stored then
        number = number + 1
      end
      pairs_of[#pairs_of + 1] = entry.key
      pairs_of[#pairs_of + 1] = (stored and string.match(stored, '^%d+') or digits(number)) .. ' ' .. entry.text
    end
    call_often('HDEL', opened.records, change.destroy)
    call_often('HSET', opened.records, pairs_of)
    return number
  end

  -- When records end. `kept`: the primary keys of the records that are as good as new.
  function collections.write_ends(opened, kept, gone)
    local ttl = opened.settings.ttl
    if not ttl then
      redis.call('DEL', opened.expires)
      return
    end
    local ends, scored = digits(math.floor(opened.clock.now / 1000) + ttl), {}
    for _, key in ipairs(kept) do
      scored[#scored + 1] = ends
      scored[#scored + 1] = key
    end
    call_often('ZREM', opened.expires, gone)
    call_often('ZADD', opened.expires, scored)
  end

  -- Writes and publishes a change in one step: `create` (primary keys), `update` ({ key, text } of created and changed records), `destroy`
  -- (primary keys), `kept` (primary keys of records that begin their ttl again), `before` (what was stored of them). Answers
  -- { id, revision }, or an error, after which nothing has changed.
  function collections.apply(opened, change)
    local clock, state = opened.clock, opened.channel
    begin_if_due(clock)
    clock.forked = redis.call('HGET', CLOCK, 'forked')
    opened.begins = begins_again(opened)
    local text, began = message_of(opened, change, math.max(clock.last + 1, clock.now))
    -- The message comes first, because nothing may have changed if it cannot be added to the backlog.
    local id, revision = append(clock, state, text, {})
    if not id then
      return revision
    end
    -- The revision must not be forgotten while there are records: SET leaves no time to live.
    redis.call('SET', state.revision_key, revision)
    redis.call('SET', state.last_id_key, id)
    local number = write_records(opened, change)
    redis.call('HSET', opened.state, 'key', opened.settings.key, 'began', began, 'revision', revision, 'number', digits(number),
      'count', change.count)
    collections.write_ends(opened, change.kept, change.destroy)
    save_clock(clock)
    return { id, revision }
  end
end
