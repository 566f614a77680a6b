-- The two ways to change a collection: a whole new list of its records, or a batch of updates and deletions.

do
  local UPDATE = '^{[ \t\r\n]*"type"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*,[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*()'
  local DATA_FIRST = '^{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*()'
  local TYPE_BEHIND = '^[ \t\r\n]*,[ \t\r\n]*"type"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*}$'
  local BATCH = '[{"type":"update","data":{record}},{"type":"delete","data":{key}}]'

  -- How many times the largest message a text may be: Redis does nothing else while it is read.
  local FACTOR = 256

  local function new_change()
    return { create = {}, update = {}, destroy = {}, kept = {} }
  end

  -- An entry of a record that is stored just like that already, found by its text alone: most records of a list are.
  local function find_known(text, pattern, before)
    local key = string.match(text, pattern)
    local stored = key and before[key]
    return stored and collections.is_stored(stored, text) and { key = key, is_known = true } or nil
  end

  -- Adds the record to the change. `always`: also if it is as it was.
  local function add_record(change, entry, always)
    local stored = change.before[entry.key]
    change.kept[#change.kept + 1] = entry.key
    if entry.is_known or not always and stored and collections.are_same(collections.text_of(stored), entry.text, entry.record) then
      return
    end
    if not stored then
      change.create[#change.create + 1] = entry.key
    end
    change.update[#change.update + 1] = entry
  end

  -- The entries by their primary keys, or `nil` and the number of the first one with a key that came before.
  local function by_key(entries)
    local seen = {}
    for i, entry in ipairs(entries) do
      if seen[entry.key] then
        return nil, i - 1
      end
      seen[entry.key] = entry
    end
    return seen
  end

  local function problem_with_twins(number, what)
    return collections.problem_with_list('has a primary key that came before', number, what, 'each one once')
  end

  -- Replaces all records by those of the list; answers the change, or `nil` and an error.
  function collections.replace(opened, text)
    local name, change = opened.settings.key, new_change()
    change.before = collections.records_of(opened)
    -- Of a name with other characters nothing is found by its text.
    local pattern = string.find(name, '^[%w_]+$') and '"' .. name .. '"[ ]*:[ ]*"([^"\\]*)"' or '^$'
    if opened.known.key ~= name then
      pattern = '^$'
    end
    local entries, problem, number = collections.read_list(text, function(object)
      return find_known(object, pattern, change.before) or collections.read_record(object, name, opened.clock)
    end)
    if not entries then
      return nil, collections.problem_with_list(problem, number, 'record', '[{"' .. name .. '":"…"},…]')
    end
    local seen, twin = by_key(entries)
    if not seen then
      return nil, problem_with_twins(twin, 'record')
    end
    for _, entry in ipairs(entries) do
      add_record(change, entry, false)
    end
    for key in pairs(change.before) do
      if not seen[key] then
        change.destroy[#change.destroy + 1] = key
      end
    end
    table.sort(change.destroy)
    problem = collections.problem_with_count(change, #entries - #change.create + #change.destroy)
    return not problem and change or nil, problem
  end

  -- Reads one element of a batch: { key, text } of an update, { key } of a deletion, or `problem`; `nil` if it is no JSON.
  local function read_element(object, opened)
    local kind, at = string.match(object, UPDATE)
    local is_behind = not at
    at = at or string.match(object, DATA_FIRST)
    if not at then
      return collections.decode(object) and { problem = 'has not just type and data' }
    end
    local data, entry = collections.object_at(object, at, function(text)
      return collections.read_record(text, opened.settings.key, opened.clock)
    end, {})
    if not data then
      return collections.decode(object) and { problem = 'has data that is no JSON object' }
    end
    local rest = string.sub(object, at + #data)
    if is_behind then
      kind = string.match(rest, TYPE_BEHIND)
    elseif not string.find(rest, '^[ \t\r\n]*}$') then
      kind = nil
    end
    if not kind then
      return collections.decode(object) and { problem = 'has not just type and data' }
    elseif kind ~= 'update' and kind ~= 'delete' then
      return { problem = 'has an unknown type' }
    end
    return { key = entry.key, text = kind == 'update' and entry.text or nil, problem = entry.problem }
  end

  -- Applies a batch; answers the change, or `nil` and an error.
  function collections.patch(opened, text)
    local change = new_change()
    local entries, problem, number = collections.read_list(text, function(object)
      return read_element(object, opened)
    end)
    if not entries then
      return nil, collections.problem_with_list(problem, number, 'element', BATCH)
    end
    local seen, twin = by_key(entries)
    if not seen then
      return nil, problem_with_twins(twin, 'element')
    end
    if #entries == 0 then
      return change
    elseif opened.known.key and opened.known.key ~= opened.settings.key then
      return nil, redis.error_reply('BADREQUEST the records have another primary key than the collection has now: expected a whole list first')
    end
    local keys = {}
    for i, entry in ipairs(entries) do
      keys[i] = entry.key
    end
    change.before = collections.records_of(opened, keys)
    for _, entry in ipairs(entries) do
      if entry.text then
        add_record(change, entry, true)
      elseif change.before[entry.key] then
        change.destroy[#change.destroy + 1] = entry.key
      end
    end
    change.is_due = true
    problem = collections.problem_with_count(change, opened.known.count)
    return not problem and change or nil, problem
  end

  -- Changes the collection by `method`, `replace` or `patch`. Answers { id, revision, created, updated, destroyed }, or an error. If nothing
  -- is to be changed, it is the id and the revision of the last change.
  function collections.change(name, method, text)
    local opened, problem = collections.open(name)
    if not opened then
      return problem
    end
    local most = FACTOR * opened.clock.max
    if #text > most then
      return redis.error_reply('TOOLARGE ' .. #text .. ' bytes; a list or a batch may have ' .. most)
    end
    local change
    change, problem = collections[method](opened, text)
    if not change then
      return problem
    end
    local answer = collections.unchanged(opened)
    if change.is_due or #change.update > 0 or #change.destroy > 0 then
      answer = collections.apply(opened, change)
    elseif opened.settings.ttl and #change.kept > 0 then
      begin_if_due(opened.clock)
      collections.write_ends(opened, change.kept, change.destroy)
    end
    if not answer.err then
      answer[3], answer[4], answer[5] = #change.create, #change.update - #change.create, #change.destroy
    end
    return answer
  end
end
