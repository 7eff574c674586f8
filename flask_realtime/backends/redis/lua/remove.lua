--- @include "leases"
--- @include "status"
--- @include "members"
--- @include "announce"
local deadline, lease, user, connection, told_online, joined = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
leave_all(connection, '', cjson.decode(joined), lease)
local code, version, had_come_back = remove(user, connection, tonumber(told_online), false, lease)
local hold = code == TURNED and had_come_back and announce(user) or 0
return {now, code, version .. ' 0 ' .. hold}
