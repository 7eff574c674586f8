--- @include "leases"
--- @include "members"
local deadline, lease, user, connection, prefix, joined = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
leave_all(connection, prefix, cjson.decode(joined), lease)
forget(lease, user, connection)
return {now, STAYS, '0'}
