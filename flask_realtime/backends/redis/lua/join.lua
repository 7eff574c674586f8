--- @include "leases"
--- @include "conversations"
local deadline, lease, user, connection, conversation = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
join(lease, user, connection, conversation)
return {now, STAYS, '0'}
