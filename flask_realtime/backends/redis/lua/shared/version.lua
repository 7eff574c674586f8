--- @include "base"

-- At least the time, so that versions rise even if Redis has lost the last one.
local function next_version()
  local version = math.max(now, (redis.call('GET', base .. ':version') or 0) + 1)
  redis.call('SET', base .. ':version', text(version))
  return text(version)
end
