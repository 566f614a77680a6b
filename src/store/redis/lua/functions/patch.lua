-- FCALL sisyphus_patch 1 <key> <collection> <json batch>
-- Applies a batch of updates and deletions to a collection, all or none, and publishes it as one change.
-- Keys: those of sisyphus_put.
-- Arguments: the collection; `[{"type":"update","data":{record}},{"type":"delete","data":{key}}]`.
-- Result: [id, revision] of the change; of the last one if the batch is empty
-- Errors: NOCOLLECTION, BADREQUEST, TOOLARGE, BADKEY, WRONGTYPE. Then nothing is changed or published.
define('patch', {}, function(args)
  if #args ~= 2 then
    return bad_request('patch', '<collection> <json batch>')
  end
  local answer = collections.change(args[1], 'patch', args[2])
  return answer.err and answer or { answer[1], answer[2] }
end)
