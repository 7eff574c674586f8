--- @include "base"

local function has_connections(user)
  return redis.call('EXISTS', base .. ':user:' .. user) == 1
end

local function has_live_connection(user, dead)
  for _, entry in ipairs(redis.call('HVALS', base .. ':user:' .. user)) do
    if not dead[split(entry)] then
      return true
    end
  end
  return false
end

-- Returns the users whose connections are all under leases that have run out, each once.
local function dead_users(dead)
  local users, seen = {}, {}
  for lease in pairs(dead) do
    for _, member in ipairs(redis.call('SMEMBERS', base .. ':server:' .. lease)) do
      local _, user = split(member)
      if not seen[user] and has_connections(user) and not has_live_connection(user, dead) then
        users[#users + 1] = user
      end
      seen[user] = true
    end
  end
  return users
end
