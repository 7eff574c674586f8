--- @include "leases"
--- @include "conversations"
local deadline, lease, user, connection, conversation = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
leave(connection, conversation)
forget(lease, user, connection)
return {now, STAYS, '0'}
