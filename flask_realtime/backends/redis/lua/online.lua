--- @include "leases"
--- @include "users"
local online, dead, any = {}, dead_leases()

for _, user in ipairs(ARGV) do
  if has_connections(user) and (not any or has_live_connection(user, dead)) then
    online[#online + 1] = user
  end
end
return online
