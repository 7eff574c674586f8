--- @include "leases"
--- @include "users"
-- Answers STAYS if the user is back, or has left once more since; UNSETTLED if nobody has noted the departure, or somebody took it.
local user, due = unpack(ARGV)

local dead, any = dead_leases()
if has_connections(user) and (not any or has_live_connection(user, dead)) then
  return STAYS
end
local noted = redis.call('ZSCORE', base .. ':departed', user)
if not noted then
  return UNSETTLED
elseif tonumber(noted) > tonumber(due) then
  return STAYS
end
redis.call('ZREM', base .. ':departed', user)
return TURNED
