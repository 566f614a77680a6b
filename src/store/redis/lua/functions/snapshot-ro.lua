-- FCALL_RO sisyphus_snapshot_ro 1 <key> <collection> [<epoch> <revision>]
-- Reads all records of a collection, with the revision that they have and the id behind which the next change comes.
-- Keys: the clock, the records and the state of the collection, the revision of its channel.
-- Arguments: the collection; the epoch and the revision whose records the caller has already.
-- Result: [epoch, revision, id, name of the primary key, 1 if these are the records that the caller has, records]. The records are one text
--   with a line for each: `<number> <record>`, in no order; the numbers rise in the order in which the records were created.
-- Errors: NOCOLLECTION, WRONGTYPE.
define('snapshot_ro', { 'no-writes', 'allow-oom' }, function(args)
  local name = args[1]
  local stored = redis.pcall('HMGET', CLOCK, 'last', 'born', 'forked', 'collections', 'database')
  if stored.err then
    stored = {}
  end
  local clock = { born = stored[2], forked = stored[3], database = stored[5] }
  local settings, problem = collections.find(clock, name, stored[4])
  if not settings then
    return problem
  end
  local keys = collections.keys_of(name)
  problem = problem_with_type(keys.records, 'hash') or problem_with_type(keys.state, 'hash')
  if problem then
    return problem
  end
  local revision = redis.pcall('GET', revision_key(collections.channel(name)))
  revision = type(revision) == 'string' and whole(revision) or 0
  local epoch = collections.epoch_of(clock, { began = redis.call('HGET', keys.state, 'began') })
  local id = whole(stored[1]) and stored[1] or digits(redis_time())
  local is_known = args[2] == epoch and args[3] == digits(revision)
  local lines, all = {}, is_known and {} or redis.call('HGETALL', keys.records)
  for i = 2, #all, 2 do
    lines[#lines + 1] = all[i]
  end
  return { epoch, revision, id, settings.key, is_known and 1 or 0, table.concat(lines, '\n') }
end)
