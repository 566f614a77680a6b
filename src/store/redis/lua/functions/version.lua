-- The number of the library. A gateway replaces a library with a lower number by its own; it reads its own from this line. A change of the
-- library raises it, and test/unit/library.test.ts has the digest that belongs to it.
local VERSION = 20

-- FCALL_RO sisyphus_version 1 <key>
-- Answers the number of the library.
-- Keys: none.
-- Arguments: none.
-- Result: the number
-- Errors: only those of every function.
define('version', { 'no-writes', 'allow-stale', 'allow-oom' }, function()
  return VERSION
end)
