--- @include "leases"
--- @include "members"
local deadline, lease, user, connection, topic = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
leave(connection, topic, lease)
forget(lease, user, connection)
return {now, STAYS, '0'}
