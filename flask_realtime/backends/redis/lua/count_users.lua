--- @include "leases"
--- @include "users"
--- @include "awaited"
local dead, any = dead_leases()

return redis.call('SCARD', base .. ':online') - (any and #dead_users(dead) or 0) + count_awaited()
