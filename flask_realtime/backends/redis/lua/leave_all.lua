--- @include "leases"
--- @include "conversations"
local deadline, lease, user, connection, joined = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
leave_all(connection, cjson.decode(joined))
forget(lease, user, connection)
return {now, STAYS, '0'}
