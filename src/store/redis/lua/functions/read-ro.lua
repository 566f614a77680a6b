-- FCALL_RO sisyphus_read_ro 1 <key> <up to> <ttl> <bytes> <messages> <unknown> (<channel> <after> <id> <size>)*
-- The same as sisyphus_read for a gateway that has no master.
-- Keys: those of sisyphus_read.
-- Arguments: those of sisyphus_read.
-- Result: that of sisyphus_read.
-- Errors: only those of every function.
define('read_ro', { 'no-writes', 'allow-oom' }, read_page)
