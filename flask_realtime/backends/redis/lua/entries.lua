--- @include "base"
-- Answers a hash's fields and values in turn, and the leases that have run out.
local name = ARGV[1]

return {redis.call('HGETALL', base .. ':' .. name), redis.call('ZRANGEBYSCORE', base .. ':servers', '-inf', text(now))}
