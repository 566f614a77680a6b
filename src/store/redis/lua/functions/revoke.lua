-- FCALL sisyphus_revoke 1 <key> <user> <channel> [<data>]
-- Takes the channel off the user's list and tells the user's channel, in one step.
-- Keys: the user's list, rights and changes, and those of sisyphus_publish for `user:<user>`.
-- Arguments: the user, the channel, the text of the message that tells it.
-- Result: [id, revision] of that message
-- Errors: those of sisyphus_grant.
define('revoke', {}, function(args)
  return change_list(args, 'revoke', remove_from_list)
end)
