--- @include "leases"
--- @include "users"
--- @include "awaited"
local online, dead, any = {}, dead_leases()
local may_be_awaited = is_anybody_awaited()

for _, user in ipairs(ARGV) do
  if has_connections(user) and (not any or has_live_connection(user, dead)) or may_be_awaited and is_awaited(user) then
    online[#online + 1] = user
  end
end
return online
