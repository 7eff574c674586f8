--- @include "leases"
-- Ignores the token: it changes nothing, so that it may answer anew each time.
local deadline, own_lease, _, noted = unpack(ARGV)

local function is_noted(connection, user, topics)
  local entry = redis.call('HGET', base .. ':user:' .. user, connection)
  if not entry or split(entry) ~= own_lease
    or redis.call('SISMEMBER', base .. ':online', user) == 0
    or redis.call('SISMEMBER', base .. ':server:' .. own_lease, connection .. ' ' .. user) == 0 then
    return false
  end
  for _, topic in ipairs(topics) do
    if redis.call('HEXISTS', base .. ':' .. topic, connection) == 0
      or redis.call('SISMEMBER', base .. ':joined:' .. connection, topic) == 0 then
      return false
    end
  end
  return true
end

local refused = refusal(deadline, own_lease)
if refused then
  return refused
end
local missing = {}
for index, entry in ipairs(cjson.decode(noted)) do
  if not is_noted(unpack(entry)) then
    missing[#missing + 1] = index - 1
  end
end
return {now, STAYS, cjson.encode(missing)}
