--- @include "leases"
--- @include "users"
-- Answers the users with connections, and those of them whose servers are dead.
local dead, any = dead_leases()

return {redis.call('SMEMBERS', base .. ':online'), any and dead_users(dead) or {}}
