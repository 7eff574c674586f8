--- @include "base"
-- For scripts whose last argument is the time for which a user who goes offline is waited for; 0 if none is.
local offline_delay = tonumber(ARGV[#ARGV])

local function wait_for(user, version)
  if offline_delay > 0 then
    redis.call('ZADD', base .. ':departed', text(version + offline_delay), user)
  end
end

-- Ends the waiting for a user, and returns whether it was in time. Whoever takes the entry decides: the return is silent, or the
-- departure is announced. Once it is due, a server that could not reach Redis may have announced it without taking the entry.
local function is_back_in_time(user)
  local due = offline_delay > 0 and redis.call('ZSCORE', base .. ':departed', user)
  if not due then
    return false
  end
  redis.call('ZREM', base .. ':departed', user)
  return tonumber(due) > now
end
