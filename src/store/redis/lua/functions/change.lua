-- FCALL sisyphus_change 1 <key> <idempotency key> <fingerprint> <ms> <grant|revoke> <user> <channel> [<data>]
-- Grants or revokes, once for each idempotency key.
-- Keys: those of sisyphus_grant; `<key>:idempotency:<idempotency key>`.
-- Arguments: the first three as for sisyphus_publish_batch, the others as for sisyphus_grant.
-- Result: [id, revision]
-- Errors: CONFLICT (the idempotency key belongs to another request), and those of sisyphus_grant.
define('change', {}, function(args)
  return once(args[1], args[2], args[3], function()
    local apply = args[4] == 'grant' and add_to_list or remove_from_list
    local answer = change_list({ args[5], args[6], args[7] }, args[4], apply)
    return answer.err and answer or { answer[1], tostring(answer[2]) }
  end)
end)
