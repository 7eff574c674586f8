--- @include "version"
--- @include "deadline"
-- Answers the new version, or the stored value if its version is not the expected one.
local deadline, name, ttl, expected, value = unpack(ARGV)

if is_late(deadline) then
  return {now, LATE, ''}
end
local key = base .. ':' .. name
local stored = redis.call('GET', key)
if (stored and split(stored) or '0') ~= expected then
  return {now, STAYS, stored or ''}
end
local version = next_version()
redis.call('SET', key, version .. ' ' .. value, 'PX', ttl)
return {now, TURNED, version}
