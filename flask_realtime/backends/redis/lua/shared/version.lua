--- @include "base"

-- Higher than all that were given out before, and than the time.
local function next_version()
  local version = math.max(now, (redis.call('GET', base .. ':version') or 0) + 1)
  redis.call('SET', base .. ':version', text(version))
  return text(version)
end
