-- FCALL sisyphus_put 1 <key> <collection> <json list>
-- Makes the records of a list the whole collection, and publishes what that creates, updates and destroys.
-- Keys: the clock; the records, the state and the ends of the collection; the three keys of the channel `collection:<collection>`.
-- Arguments: the collection, a JSON list of records.
-- Result: [id, revision] of the change; of the last one if nothing is different
-- Errors: NOCOLLECTION, BADREQUEST, TOOLARGE, BADKEY, WRONGTYPE. Then nothing is changed or published.
define('put', {}, function(args)
  if #args ~= 2 then
    return bad_request('put', '<collection> <json list>')
  end
  local answer = collections.change(args[1], 'replace', args[2])
  return answer.err and answer or { answer[1], answer[2] }
end)
