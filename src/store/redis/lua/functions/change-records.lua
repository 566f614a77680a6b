-- FCALL sisyphus_change_records 1 <key> <idempotency key> <fingerprint> <ms> <collection> <epoch> <revision> <name> <difference>
-- Applies a change that a gateway has worked out from a snapshot: for a large list that takes a tenth of the time of sisyphus_put.
-- Keys: those of sisyphus_put; `<key>:idempotency:<idempotency key>`.
-- Arguments: the first three as for sisyphus_publish_batch; the collection; the epoch, the revision and the name of the primary key that the
--   snapshot had; in one text a line for each record: `c` (created), `u` (updated) or `d` (destroyed), the primary key, a tab, and the record,
--   or nothing. Neither has a control character, which the caller has checked.
-- Result: that of sisyphus_change_collection
-- Errors: CONFLICT (the idempotency key belongs to another request), CHANGED (the snapshot is not right any more, or the records have a ttl),
--   and those of sisyphus_put.

local function read_change(opened, text)
  local change, updated = { create = {}, update = {}, destroy = {}, kept = {} }, {}
  for kind, key, record in string.gmatch(text, '([cud])([^\t\n]*)\t([^\n]*)') do
    if kind == 'd' then
      change.destroy[#change.destroy + 1] = key
    elseif #record > opened.clock.max then
      return nil, redis.error_reply('TOOLARGE a record has ' .. #record .. ' bytes; it may have ' .. opened.clock.max)
    else
      local list = kind == 'c' and change.create or updated
      list[#list + 1] = key
      change.update[#change.update + 1] = { key = key, text = record }
    end
  end
  change.before = #updated > 0 and collections.records_of(opened, updated) or {}
  local problem = collections.problem_with_count(change, opened.known.count)
  return not problem and change or nil, problem
end

local function change_records(args)
  local opened, problem = collections.open(args[4])
  if not opened then
    return problem
  end
  local epoch = collections.epoch_of(opened.clock, opened.known)
  local is_right = not opened.clock.begins and epoch == args[5] and digits(opened.channel.revision) == args[6]
  if not is_right or opened.settings.key ~= args[7] or opened.settings.ttl then
    return redis.error_reply('CHANGED the collection is not what the caller has read: expected another look')
  end
  local change
  change, problem = read_change(opened, args[8])
  if not change then
    return problem
  end
  local answer = collections.apply(opened, change)
  if answer.err then
    return answer
  end
  return { answer[1], tostring(answer[2]), tostring(#change.create), tostring(#change.update - #change.create), tostring(#change.destroy) }
end

define('change_records', {}, function(args)
  return once(args[1], args[2], args[3], function()
    return change_records(args)
  end)
end)
