--- @include "base"

-- Takes one of a user's announcements, of which there are 4 at once and 6 a minute; returns 0, or the milliseconds until the next.
-- A user's first change of each kind in 5 minutes needs none, so that a minute has 12 at most.
local function announce(user)
  local key, interval = base .. ':announced:' .. user, 10000000
  local full_at = math.max(now, tonumber(redis.call('GET', key) or 0))
  local wait = full_at - now - 3 * interval
  if wait > 0 then
    return math.ceil(wait / 1000)
  end
  redis.call('SET', key, text(full_at + interval), 'PX', text(math.ceil((full_at + interval - now) / 1000)))
  return 0
end
