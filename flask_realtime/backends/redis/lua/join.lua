--- @include "leases"
--- @include "members"
local deadline, lease, user, connection, topic = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
join(lease, user, connection, topic)
return {now, STAYS, '0'}
