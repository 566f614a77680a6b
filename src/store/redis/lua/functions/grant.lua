-- FCALL sisyphus_grant 1 <key> <user> <channel> [<data>]
-- Puts the channel on the user's list and tells the user's channel, in one step.
-- Keys: the user's list, rights and changes, and those of sisyphus_publish for `user:<user>`.
-- Arguments: the user, the channel, the text of the message that tells it.
-- Result: [id, revision] of that message
-- Errors: BADREQUEST, BADUSER, BADCHANNEL, TOOLARGE, BADKEY, WRONGTYPE (the list is no set, list or sorted set, or a key is broken).
define('grant', {}, function(args)
  return change_list(args, 'grant', add_to_list)
end)
