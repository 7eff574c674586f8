--- @include "base"
-- Answers nil if there is none.
local name = ARGV[1]

return redis.call('GET', base .. ':' .. name)
