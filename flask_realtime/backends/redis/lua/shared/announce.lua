--- @include "base"

-- Takes one from what may be announced of a user, 4 at once and 6 a minute; answers 0, or the milliseconds until there is one. With
-- the first coming and going in 5 minutes, which are announced without, no minute has more than 12.
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
