--- @include "leases"
--- @include "status"
--- @include "once"
local deadline, lease, token, users = unpack(ARGV)

local refused = refusal(deadline, lease)
if refused then
  return refused
end
return {now, STAYS, once(token, function()
  local gone = {}
  for _, user in ipairs(cjson.decode(users)) do
    if not has_connections(user) and redis.call('EXISTS', base .. ':gone:' .. user) == 0 then
      local _, version = go_offline(user, lease)
      gone[#gone + 1] = {user, version}
    end
  end
  return gone
end)}
