--- @include "leases"
--- @include "users"
--- @include "awaited"
-- Answers the users with connections, those of them whose servers are dead, and those without who are waited for.
local dead, any = dead_leases()

return {redis.call('SMEMBERS', base .. ':online'), any and dead_users(dead) or {}, awaited_users()}
