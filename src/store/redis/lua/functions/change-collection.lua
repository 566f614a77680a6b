-- FCALL sisyphus_change_collection 1 <key> <idempotency key> <fingerprint> <ms> <put|patch> <collection> <text>
-- Puts or patches, once for each idempotency key.
-- Keys: those of sisyphus_put; `<key>:idempotency:<idempotency key>`.
-- Arguments: the first three as for sisyphus_publish_batch, the others as for sisyphus_put or sisyphus_patch.
-- Result: [id, revision, how many records were created, updated, destroyed], as texts
-- Errors: CONFLICT (the idempotency key belongs to another request), and those of sisyphus_put.
define('change_collection', {}, function(args)
  return once(args[1], args[2], args[3], function()
    local answer = collections.change(args[5], args[4] == 'put' and 'replace' or 'patch', args[6])
    for i = 1, #answer do
      answer[i] = tostring(answer[i])
    end
    return answer
  end)
end)
