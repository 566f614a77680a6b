-- FCALL_RO sisyphus_read 1 <key> <up to> <ttl> <bytes> <messages> <unknown> (<channel> <after> <id> <size>)*
-- Reads a page of what readers have missed: messages of many channels in the order of ids.
-- Keys: the clock; for each channel the last id and the backlog.
-- Arguments: the id up to which messages are taken; how long a backlog is kept (ms; 0: for ever); so many bytes and so many messages at
--   most; how many channels, which come first, have a next message that the caller does not know. For each channel its name, the id after
--   which messages are wanted, and, if they are known, the id and the size of the next one. The known ones come in rising order.
-- Result: [now (us), states, page, known since]
--   page: [number of the channel, envelope, …]; empty if not all unknown channels could be looked at.
--   states: in one text, for each channel that was looked at (one at least): `-` (nothing came after <after>), `!` (nothing is known of it),
--   `=` (as it was), or `<last id of the channel, or 0> <id> <size> <previous> <revision>` of its next message that is not in the page,
--   whatever <up to>; `<last id> 0 0 0 0` if there is none, and `<last id> ? 0 0 0` if it was not looked for.
--   known since: nothing was published since then on a channel of which nothing is known (see expiry.lua).
-- Errors: READONLY on a replica, because a master that was made one may lack messages that gateways have already, and they would not be missed.
define('read', { 'no-writes' }, function(args)
  local replication = redis.pcall('INFO', 'replication')
  if type(replication) == 'string' and string.find(replication, 'role:slave', 1, true) then
    return redis.error_reply('READONLY a replica may lack messages: expected a master')
  end
  return read_page(args)
end)
