--- @include "leases"
--- @include "users"
-- Those with an entry, and those of them who are not online any more.
local dead, any = dead_leases()

return {redis.call('SMEMBERS', base .. ':online'), any and dead_users(dead) or {}}
