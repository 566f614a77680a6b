-- The number of this library, raised with every change of it; the gateway reads it from this line.
local VERSION = 7

-- FCALL_RO sisyphus_version 0  ->  the number of this library; a gateway loads its own where it finds a lower one.
define('version', { 'no-writes', 'allow-stale', 'allow-oom' }, function(args)
  return VERSION
end)
