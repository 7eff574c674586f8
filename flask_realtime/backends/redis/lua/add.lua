--- @include "leases"
--- @include "status"
--- @include "announce"
local deadline, lease, user, connection, details = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
local code, version, gone = add(lease, user, connection, details)
local hold = code == TURNED and gone > 0 and announce(user) or 0
return {now, code, version .. ' ' .. redis.call('HLEN', base .. ':user:' .. user) .. ' ' .. hold}
