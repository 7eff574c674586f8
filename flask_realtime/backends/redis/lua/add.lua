--- @include "leases"
--- @include "status"
--- @include "announce"
local deadline, lease, user, connection, details = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
local code, version, gone, is_back = add(lease, user, connection, details)
local hold = code == TURNED and gone > 0 and not is_back and announce(user) or 0
local connections = redis.call('HLEN', base .. ':user:' .. user)
return {now, code, version .. ' ' .. connections .. ' ' .. hold .. ' ' .. (is_back and 1 or 0)}
