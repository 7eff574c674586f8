--- @include "base"
-- False, and so nil for the caller, where there is none.
local name = ARGV[1]

return redis.call('GET', base .. ':' .. name)
